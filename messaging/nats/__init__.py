"""NATS: connections, JetStream streams, object buckets, permissions, and the embedded nats-server."""
