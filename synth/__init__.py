"""From a synthesis order to a labelled set of images. Independent of sites and campaigns."""
