"""The whole loop on one CPU, at the tiny profile: a smoke test of every stage."""
