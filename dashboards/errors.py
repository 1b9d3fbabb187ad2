"""Errors of the page, separated by what an operator can do about them.

BlindspotError
└── DashboardError          root of the page's errors; one sentence, shown on the page unchanged
    ├── CloudLost           no cloud answers: not started, stopped, or out of reach; it may come back
    └── CloudRefused        a cloud answers with a refusal: wrong token, unknown item, other version
"""

from messaging.errors import BlindspotError


class DashboardError(BlindspotError):
    """Root of the errors of the page."""


class CloudLost(DashboardError):
    """No cloud answers; try again later."""


class CloudRefused(DashboardError):
    """The cloud's response is a refusal or cannot be read."""
