"""The soak."""

from messaging.figures import Figure


def soak_figures(minutes: float) -> list[Figure]:
    return []
