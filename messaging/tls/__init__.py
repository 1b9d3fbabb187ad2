"""TLS 1.3 between machines: certificates, the authority that signs them, connections and checks."""
