"""Tests of who may open the pages."""
