"""Import of an operator's own detector, which becomes the first release of a fleet."""
