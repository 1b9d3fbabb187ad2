"""Parts of the product against a model of them, in random order of use and faults (hypothesis)."""
