"""What can go wrong on the page, split by what a person can do about it.

BlindspotError
└── DashboardError          root of the page's errors; one sentence that the page shows as it is
    ├── CloudLost           no cloud answers: not started, stopped, or out of reach; it may come back
    └── CloudRefused        a cloud answers, but not what was asked: wrong token, unknown thing, other version
"""

from messaging.errors import BlindspotError


class DashboardError(BlindspotError):
    """Root of the errors of the page."""


class CloudLost(DashboardError):
    """No cloud answers now; asking again later is right."""


class CloudRefused(DashboardError):
    """The cloud's answer is a refusal or cannot be understood."""
