"""What can go wrong in the learning loop, split by whose fault it is.

messaging.errors.BlindspotError
└── CloudError
    ├── DataRefused             the caller's images or labels: unreadable, out of range, in two roles
    ├── WeightsRefused          a weights file that is not one, or does not fit the plan
    ├── TrainingFailed          the training process failed or was stopped
    ├── StoreUnavailable        the database cannot be opened, migrated or locked
    ├── NotKnown                the caller names a site, mode, campaign or release that does not exist
    ├── BadRequest              the caller's request to the API has a wrong form
    ├── NotNow                  the caller asks for what the present state does not allow
    ├── CampaignRefused         a campaign plan that cannot be carried out as asked
    ├── StageFailed             a stage of a campaign failed for good; resume tries it again
    ├── StageInterrupted        a stage was told to stop: the campaign was cancelled or the cloud goes down
    ├── CloudUnreachable        the command line cannot reach the running cloud, or it refused the token
    ├── AlreadyRunning          another process holds this data folder
    └── DemoFailed              the demonstration could not be carried to its end
"""

from messaging.errors import BlindspotError


class CloudError(BlindspotError):
    """Root of the cloud's own errors."""


class DataRefused(CloudError):
    """A folder of images and labels that cannot be taken in as it is."""


class WeightsRefused(CloudError):
    """A detector weights file that is damaged, missing, or does not fit what is asked of it."""


class TrainingFailed(CloudError):
    """Training ended without weights: the process failed, ran out of memory, or was stopped."""


class StoreUnavailable(CloudError):
    """The store's database cannot be used."""


class NotKnown(CloudError):
    """There is nothing by that name."""


class BadRequest(CloudError):
    """A request that cannot be read as what it should be."""


class NotNow(CloudError):
    """The thing exists, but its present state does not allow what is asked."""


class CampaignRefused(CloudError):
    """A campaign plan that contradicts itself or the store."""


class StageFailed(CloudError):
    """A stage could not do its work; the message says which and why."""


class StageInterrupted(CloudError):
    """A stage stopped early because it was told to; nothing is wrong with it."""


class CloudUnreachable(CloudError):
    """No running cloud answers at the address, or it does not accept the token."""


class AlreadyRunning(CloudError):
    """Another process works on the same data folder."""


class TrainingStopped(TrainingFailed):
    """Training was cancelled; running the plan again repeats the stage."""


class DemoFailed(CloudError):
    """The demonstration could not be carried to its end; the message says which program and why."""
