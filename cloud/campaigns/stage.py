"""The seam between the durable workflow and the work: ten stages, each from inputs to a result.

A stage gets the outputs of the stages before it and a folder of its own, and returns digests, relative
paths and figures (plain JSON). It must be repeatable: after a kill it runs again with the same inputs and
the same folder. It asks `stopping` often and leaves by `StageInterrupted`.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cloud.errors import StageInterrupted
from cloud.store.records import Campaign, CampaignStage


@dataclass(frozen=True)
class StageWork:
    """What a stage is handed.

    Attributes:
        campaign: the campaign with its plan.
        inputs: outputs of the earlier stages, by stage.
        folder: the stage's own folder, the same when it runs again.
        progress: tells how far it is (0 to 1) and, in a few words, what it does.
        stopping: true once the stage should leave.
    """

    campaign: Campaign
    stage: CampaignStage
    inputs: Mapping[str, Mapping[str, Any]]
    folder: Path
    progress: Callable[[float, str], None]
    stopping: Callable[[], bool]

    def check(self) -> None:
        """Leave if told to. Raises `StageInterrupted`."""
        if self.stopping():
            raise StageInterrupted(f"stage {self.stage} of campaign {self.campaign.id} was told to stop")

    def pause(self, seconds: float) -> None:
        """Wait, and leave early if told to."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.2))
        self.check()

    def output(self, stage: CampaignStage, key: str) -> Any:
        """What an earlier stage said."""
        return self.inputs[stage][key]


@dataclass(frozen=True)
class StageResult:
    """What a stage leaves: `output` for the next ones, `figures` for people.

    With `stop`, the campaign ends here, orderly, for the reason given (a candidate that is not good enough).
    """

    output: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    stop: str | None = None


class Stages(Protocol):
    """The ten stages of a campaign."""

    def plan(self, work: StageWork) -> StageResult:
        """Failure modes -> synthesis orders."""

    def synthesise(self, work: StageWork) -> StageResult:
        """Orders -> painted images."""

    def filter(self, work: StageWork) -> StageResult:
        """Painted images -> labelled sets."""

    def train(self, work: StageWork) -> StageResult:
        """Labelled sets and replay -> weights and a bundle."""

    def evaluate(self, work: StageWork) -> StageResult:
        """Candidate and incumbent on the cloud's holdout."""

    def trial(self, work: StageWork) -> StageResult:
        """The first verdict; signs a release that may run in shadow."""

    def shadow(self, work: StageWork) -> StageResult:
        """Shadow runs at the canary sites."""

    def service(self, work: StageWork) -> StageResult:
        """The second verdict; signs a release that may serve."""

    def roll_out(self, work: StageWork) -> StageResult:
        """Canary, share, all."""

    def verify(self, work: StageWork) -> StageResult:
        """Has the edge itself seen the failure modes close?"""


def run_stage(stages: Stages, work: StageWork) -> StageResult:
    """Call the stage's method."""
    method: Callable[[StageWork], StageResult] = getattr(stages, work.stage)
    return method(work)


def input_digest(campaign: Campaign, stage: CampaignStage, inputs: Mapping[str, Mapping[str, Any]]) -> str:
    """sha256 hex of everything that a stage's result may depend on."""
    plan = campaign.plan
    everything = {
        "campaign": campaign.id,
        "stage": stage,
        "modes": list(plan.modes),
        "count": plan.count,
        "seed": plan.seed,
        "incumbent": plan.incumbent_digest,
        "options": dict(plan.options),
        "inputs": {name: dict(output) for name, output in inputs.items()},
    }
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()
