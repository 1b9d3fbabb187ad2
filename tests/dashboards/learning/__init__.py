"""Tests of `dashboards.learning`."""
