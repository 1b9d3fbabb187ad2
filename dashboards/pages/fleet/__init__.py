"""The pages of sites and cameras."""
