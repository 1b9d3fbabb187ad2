"""Failure modes: misdetections of the fleet grouped, ranked, and closed or reopened by fixed rules."""
