"""Hazards for other systems: one module for each format, two that send, one that delivers."""
