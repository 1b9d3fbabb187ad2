"""How well a detector does on labelled images, and whether a candidate may be promoted."""
