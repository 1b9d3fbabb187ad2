"""Live images of the cameras for people at the site, on the page of the node."""
