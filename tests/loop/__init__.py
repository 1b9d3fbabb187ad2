"""The full circle on one CPU, at the tiny profile: plumbing, not healing."""
