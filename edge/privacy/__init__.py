"""The privacy budget of prototypes and the Gaussian mechanism that spends it."""
