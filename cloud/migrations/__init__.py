"""The schema's history, run by `cloud.store.database.migrate`."""
