"""What a stage of a campaign is: a function from `StageWork` to `StageResult`.

A stage receives the outputs of the stages before it and a folder of its own, and returns a typed output and
metrics. It must be repeatable: after a kill it runs again with the same inputs and the same folder. It checks
`stopping` often and leaves by raising `StageInterrupted`.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cloud.campaigns.outputs import StageOutput
from cloud.errors import StageInterrupted
from cloud.store.records import Campaign, CampaignStage

T = TypeVar("T", bound=StageOutput)
Outputs = Mapping[CampaignStage, StageOutput]


@dataclass(frozen=True)
class StageWork:
    """The arguments of a stage.

    Attributes:
        campaign: the campaign with its plan.
        stage: which stage this is.
        inputs: outputs of the earlier stages.
        folder: the stage's own folder, the same when it runs again.
        began_at_utc: when this attempt first began the stage, seconds since 1970; a restart does not change
            it.
        progress: reports the fraction that is done (0 to 1) and a short note.
        stopping: true once the stage must leave.
        show: stores metrics (plain JSON values) for people while the stage runs, in place of those before.
    """

    campaign: Campaign
    stage: CampaignStage
    inputs: Outputs
    folder: Path
    began_at_utc: float
    progress: Callable[[float, str], None]
    stopping: Callable[[], bool]
    show: Callable[[Mapping[str, object]], None] = lambda _: None

    def check(self) -> None:
        """Raise `StageInterrupted` if the stage must leave."""
        if self.stopping():
            raise StageInterrupted(f"stage {self.stage} of campaign {self.campaign.id} was asked to stop")

    def pause(self, seconds: float) -> None:
        """Wait. Raises `StageInterrupted` as soon as the stage must leave."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.2))
        self.check()

    def polls(self, every_s: float, deadline_s: float | None) -> Iterator[bool]:
        """Yield once per poll whether the deadline has passed; the poll after the deadline is the last.

        The deadline counts from `began_at_utc`, so that a restart of the cloud does not extend it.
        """
        while True:
            over = deadline_s is not None and time.time() - self.began_at_utc >= deadline_s
            yield over
            if over:
                return
            self.pause(every_s)

    def output(self, kind: type[T]) -> T:
        """The output of the earlier stage that returns this type. Raises `KeyError` if there is none."""
        for output in self.inputs.values():
            if isinstance(output, kind):
                return output
        raise KeyError(f"no stage before {self.stage} returned a {kind.__name__}")


@dataclass(frozen=True)
class StageResult:
    """What a stage returns: `output` for the later stages, `metrics` (plain JSON values) for people.

    With `stop`, the campaign ends here as rejected, for the reason given (e.g. a candidate that is worse).
    `note` is what else people should know; it is shown with the stage unless it stops.
    """

    output: StageOutput | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    stop: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Stage:
    """One row of the stage table: the function, and the type of its output."""

    run: Callable[[StageWork], StageResult]
    output: type[StageOutput]


StageTable = Mapping[CampaignStage, Stage]


def input_digest(campaign: Campaign, stage: CampaignStage, outputs: Mapping[str, Any]) -> str:
    """sha256 hex of everything that a stage's result may depend on; `outputs` as JSON values by stage."""
    plan = campaign.plan
    everything = {
        "campaign": campaign.id,
        "stage": stage,
        "modes": list(plan.modes),
        "count": plan.count,
        "seed": plan.seed,
        "incumbent": plan.incumbent_digest,
        "options": dict(plan.options),
        "outputs": dict(outputs),
    }
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()
