"""Model updates: verified weights on disk, rollout orders, hot swap, shadow runs."""
