"""Types of the REST API that are computed for people: histories, maps, lineage, reviews of images."""
