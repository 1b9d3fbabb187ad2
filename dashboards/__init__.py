"""For people: the live page over the cloud's REST API. Imports `messaging` only."""
