"""What cloud and dashboard share of who may log in."""
