"""The schema's history, run by `cloud.store.migrate`."""
