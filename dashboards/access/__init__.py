"""Who looks at a page."""
