"""The files of the cameras' privacy accounts, and which cameras of a node have one.

`begin_accounts` writes an account for each new camera when the node starts. The register beside the accounts'
folder names all cameras that ever had one: an account that is gone begins spent, and so do all where the
register is gone too but the node has had models.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edge.privacy.gaussian_mechanism import mu_of
from edge.settings import PrivacySettings
from messaging.errors import FileFault
from messaging.runtime.os_errors import os_error_sentence
from messaging.runtime.state_files import StateFile

DAY_S = 86_400.0
REMEDY = (
    "its budget counts as spent; remove it and restart the node, which then releases no prototype of this "
    "camera until the window has passed"
)
logger = logging.getLogger(__name__)


class Spending(BaseModel):
    """One release: its mu and class, when (seconds since 1970), and how long the node had run by then.

    `lost`: it stands for the releases of an account that was lost.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    at_utc: float
    mu: float = Field(gt=0.0)
    ran_s: float = Field(default=0.0, ge=0.0)
    class_name: str = ""
    lost: bool = False


class Account(BaseModel):
    """The whole file of a camera's account: its releases, and how long and until when the node has run."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    version: Literal[1] = 1
    spendings: tuple[Spending, ...] = ()
    ran_s: float = Field(default=0.0, ge=0.0)
    seen_utc: float | None = None


class Register(BaseModel):
    """The file that names the cameras with an account."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    cameras: tuple[str, ...]


def account_file(path: Path) -> StateFile[Account]:
    """The file of an account."""
    return StateFile(path, Account, remedy=REMEDY)


def account_path(data: Path, camera: str) -> Path:
    """Where a node keeps the account of a camera."""
    return data / "privacy" / f"{camera}.json"


def begin_accounts(
    data: Path, cameras: Sequence[str], settings: PrivacySettings, *, used: bool, now_utc: float
) -> None:
    """Begin the accounts that are not there. `used`: the node has had models, so it may have released.

    A disk that takes no file is logged: an account that is not there counts as spent.
    """
    file = StateFile(data / "privacy_accounts.json", Register)
    try:
        register = file.read()
        had = set(register.cameras) if register else set(cameras if used else ())
    except FileFault:
        register, had = None, set(cameras)
    try:
        for camera in cameras:
            path = account_path(data, camera)
            if path.exists():
                continue
            spent = camera in had
            if spent:
                logger.warning("privacy account %s is missing, so it begins with its budget spent", path)
            account_file(path).write(_begun(settings, now_utc, spent=spent))
        names = tuple(sorted(had | set(cameras)))
        if register is None or names != register.cameras:
            file.write(Register(cameras=names))
    except OSError as error:
        logger.warning("privacy accounts cannot be begun: %s", os_error_sentence(error))


def _begun(settings: PrivacySettings, now_utc: float, *, spent: bool) -> Account:
    if not spent:
        return Account()
    budget = mu_of(settings.epsilon_per_camera, settings.delta)
    return Account(spendings=(Spending(at_utc=now_utc, mu=budget, lost=True),))
