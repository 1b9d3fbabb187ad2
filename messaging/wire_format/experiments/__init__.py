"""Measurements of the wire format: needs the libraries of the extra `dev`."""
