"""What each stage of a campaign hands to the later ones: one immutable, validated type for each stage.

Outputs hold digests, paths relative to the data folder and small values, never image data. They become JSON
only where the workflow stores them.
"""

from pydantic import BaseModel, ConfigDict

from messaging.reports import ShadowReport
from synth.order import SynthesisOrder


class StageOutput(BaseModel):
    """Base of all outputs."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PlannedOrder(StageOutput):
    """The synthesis order for one failure mode (its id)."""

    mode: str
    order: SynthesisOrder


class PlanOutput(StageOutput):
    """One synthesis order for each failure mode of the campaign."""

    orders: tuple[PlannedOrder, ...]


class GeneratedSet(StageOutput):
    """The labelled set of one failure mode; `folder` is relative to the data folder."""

    mode: str
    folder: str


class SynthesiseOutput(StageOutput):
    """One labelled set for each order."""

    sets: tuple[GeneratedSet, ...]


class VerifiedSet(GeneratedSet):
    """A labelled set whose digest has been verified, with its number of kept images."""

    digest: str
    images: int


class FilterOutput(StageOutput):
    """The verified labelled sets."""

    sets: tuple[VerifiedSet, ...]


class LeftOutImages(StageOutput):
    """Images of generated sets that a training leaves out, as a person has rejected them.

    Paths relative to the data folder, as they were when the training began.
    """

    files: tuple[str, ...]


class ControlModel(StageOutput):
    """The bundle of a control model: digest, and file relative to the data folder."""

    bundle_digest: str
    bundle: str


class TrainOutput(StageOutput):
    """Digests of the candidate's bundle and of its weights, and the control model if one was trained."""

    bundle_digest: str
    weights_digest: str
    control: ControlModel | None = None


class EvaluateOutput(StageOutput):
    """Files of the evaluations on the holdout, by bundle digest; paths relative to the data folder.

    What is not among them cannot be signed, so a control model is not.
    """

    files: dict[str, str]


class TrialOutput(StageOutput):
    """The candidate as released in the trial channel: bundle digest and version."""

    digest: str
    version: int


class ShadowOutput(StageOutput):
    """The last shadow report of each canary site."""

    reports: dict[str, ShadowReport]


class ServiceOutput(StageOutput):
    """Bundle digest of the release in the service channel."""

    digest: str


class RollOutOutput(StageOutput):
    """The model that was rolled out, and the rollout's id."""

    digest: str
    rollout: str


class VerifyOutput(StageOutput):
    """The failure modes that closed."""

    closed: tuple[str, ...]
