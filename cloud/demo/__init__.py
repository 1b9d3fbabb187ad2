"""The demonstration: a hub, a cloud and two sites on one machine, through one or more rounds of the loop."""
