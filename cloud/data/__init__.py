"""Labelled images that operators add to the cloud, and hazard-free images that training needs."""
