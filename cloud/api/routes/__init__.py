"""The routes of the REST API: one module a resource, each with its `router`; `cloud.api.app` lists them."""
