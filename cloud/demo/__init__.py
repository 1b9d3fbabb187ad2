"""The demonstration: a hub, a cloud, two sites and drawn streets on one machine, from blind to healed."""
