"""Errors of the cloud, by whose fault they are.

messaging.errors.BlindspotError
└── CloudError
    ├── DataRefused             the caller's images or labels: unreadable, out of range, or in two roles
    ├── WeightsRefused          a weights file that is not one, or does not fit the plan
    ├── TrainingFailed          the training process failed or was stopped
    ├── StoreUnavailable        the database cannot be opened, migrated or locked
    ├── NotKnown                the caller names a site, mode, campaign or release that does not exist
    ├── BadRequest              the caller's request to the API has a wrong form
    ├── NotNow                  the caller asks for what the present state does not allow
    ├── CampaignRefused         a campaign plan that cannot be carried out as asked
    ├── StageFailed             a stage of a campaign failed for good; resume tries it again
    ├── StageInterrupted        a stage was asked to stop: the campaign was cancelled or the cloud shuts down
    ├── CloudUnreachable        the command line cannot reach the running cloud, or it refused the token
    ├── AddressRefused          an integration's target has an address that is not connected to
    ├── AlreadyRunning          another process holds this data folder
    ├── BackupRefused           nothing to back up, or a backup that is damaged or foreign
    └── DemoFailed              the demo could not be completed
"""

from messaging.errors import BlindspotError


class CloudError(BlindspotError):
    """Root of the cloud's own errors."""


class DataRefused(CloudError):
    """A folder of images and labels that cannot be added as it is."""


class WeightsRefused(CloudError):
    """A detector weights file that is damaged, missing, or does not fit what is asked of it."""


class TrainingFailed(CloudError):
    """Training ended without weights: the process failed, ran out of memory, or was stopped."""


class StoreUnavailable(CloudError):
    """The store's database cannot be used."""


class NotKnown(CloudError):
    """Nothing has that name."""


class BadRequest(CloudError):
    """A request with a wrong form."""


class NotNow(CloudError):
    """The present state does not allow what is asked."""


class NotAuthorised(CloudError):
    """A name, password or token that is wrong, or a role that does not suffice."""


class TooManyAttempts(CloudError):
    """Too many failed logins; `wait_s`: seconds until the next attempt."""

    def __init__(self, sentence: str, wait_s: float) -> None:
        super().__init__(sentence)
        self.wait_s = wait_s


class CampaignRefused(CloudError):
    """A campaign plan that contradicts itself or the store."""


class StageFailed(CloudError):
    """A stage failed; the message names it and the reason."""


class StageInterrupted(CloudError):
    """A stage stopped early because stop was requested; nothing failed."""


class CloudUnreachable(CloudError):
    """No running cloud answers at the address, or it does not accept the token."""


class AddressRefused(CloudError):
    """The target of an integration resolves to a loopback, private or reserved address."""


class AlreadyRunning(CloudError):
    """Another process works on the same data folder."""


class TrainingStopped(TrainingFailed):
    """Training was cancelled; running the plan again goes on after its last whole epoch."""


class DemoFailed(CloudError):
    """The demo could not be completed; the message names the program and the reason."""


class BackupRefused(CloudError):
    """A backup that cannot be made, or a file that cannot be restored."""
