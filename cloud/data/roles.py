"""Dataset roles: what a folder of images may be used for."""

from enum import StrEnum

from cloud.errors import DataRefused


class DataRole(StrEnum):
    """What a folder of images may be used for."""

    BASE = "base"
    REPLAY = "replay"
    CALIBRATION = "calibration"
    HOLDOUT = "holdout"
    BACKGROUND = "background"


TRAINING_ROLES = frozenset({DataRole.BASE, DataRole.REPLAY})


def role_of(name: str) -> DataRole:
    """The role of that name. Raises `DataRefused` for any other name."""
    try:
        return DataRole(name)
    except ValueError:
        raise DataRefused(f"role {name!r} is not one of {', '.join(DataRole)}") from None


def compatible(one: DataRole, other: DataRole) -> bool:
    """Whether a scene or an image may have both roles: only both for training."""
    return one is other or {one, other} <= TRAINING_ROLES
