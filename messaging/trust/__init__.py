"""Signatures: keys, the TUF repository and client, release manifests, rollout orders."""
