"""The cloud's side of the fleet: hub, intake of reports, signed releases, rollouts."""
