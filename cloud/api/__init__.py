"""The REST API `/api/v1`: routes, views of records, authentication, and the command line's client."""
