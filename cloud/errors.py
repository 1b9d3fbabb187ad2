"""What can go wrong in the learning loop, split by whose fault it is.

messaging.errors.BlindspotError
└── CloudError
    ├── DataRefused             the caller's images or labels: unreadable, out of range, in two roles
    ├── WeightsRefused          a weights file that is not one, or does not fit the plan
    └── TrainingFailed          the training process failed or was stopped
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
