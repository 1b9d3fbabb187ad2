"""The programs of one site: the node, which runs the detector, and the gate. Imports `messaging` only."""
