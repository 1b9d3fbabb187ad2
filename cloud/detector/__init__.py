"""What a trainable detector is: weights, network, embedding basis, and export to a detector bundle."""
