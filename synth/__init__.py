"""From a synthesis order to a labelled set; knows nothing of fleets."""
