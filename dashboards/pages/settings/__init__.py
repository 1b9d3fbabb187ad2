"""The settings, a module for each tab."""
