"""The acceptance test of a deployment: what `docs/deploy-a-site.md` says, done by its own commands."""
