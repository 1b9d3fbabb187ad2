"""The gate: the one program of a site that holds the hub credential. Imports nothing of the node."""
