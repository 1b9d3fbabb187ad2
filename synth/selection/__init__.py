"""Which generated images are kept: judges, filter rules, the labelled set on disk."""
