"""Resources that are computed from many records at once: trends, histories, maps, lineage."""
