"""Measurements of the generator; each writes a figures file. Nothing imports these modules."""
