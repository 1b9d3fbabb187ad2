"""The REST API `/api/v1`: routes, resources made of records, authentication, and the client of the command line."""
