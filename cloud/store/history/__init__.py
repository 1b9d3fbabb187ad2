"""Queries over the past: sums by hour or day, and what was judged."""
