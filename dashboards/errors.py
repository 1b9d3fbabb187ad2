"""Errors of the page, separated by what an operator can do about them.

BlindspotError
└── DashboardError          root of the page's errors; one sentence, shown on the page unchanged
    ├── CloudLost           no cloud answers: not started, stopped, or out of reach; it may come back
    ├── CloudRefused        a cloud answers with a refusal: wrong token, other version
    │   ├── NotThere        what was asked for never existed, or was removed
    │   └── NotInThisState  the present state does not allow the change; someone else may have been first
    ├── SessionEnded        the person at the browser must log in again
    └── LoginRefused        a login, or a change of password, that is not granted
"""

from messaging.errors import BlindspotError


class DashboardError(BlindspotError):
    """Root of the errors of the page."""


class CloudLost(DashboardError):
    """No cloud answers; try again later."""


class CloudRefused(DashboardError):
    """The cloud's response is a refusal or cannot be read."""


class NotThere(CloudRefused):
    """The cloud has no such item, or not any more; its own sentence."""


class NotInThisState(CloudRefused):
    """The present state does not allow the change that was asked for; the cloud's own sentence."""


class SessionEnded(DashboardError):
    """The person at the browser must log in again; what is open can go on afterwards."""


class LoginRefused(DashboardError):
    """A login, or a change of password, that is not granted; `status` is the one of the answer."""

    def __init__(self, sentence: str, status: int = 401) -> None:
        super().__init__(sentence)
        self.status = status
