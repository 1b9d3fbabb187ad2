"""The dashboard: a live web page over the cloud's REST API. Imports `messaging` only."""
