"""Elements that the pages are built from."""
