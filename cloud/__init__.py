"""The learning loop: failure modes, campaigns, training, promotion, releases, rollout."""
