"""The REST API's types of the lineage of a model: from the sites that run it back to the misdetections."""

from typing import Any

from messaging.resources import ConditionKey, Resource


class LineageRelease(Resource):
    """A release in the chain of parents; `campaign` made it, None for one that was published otherwise."""

    digest: str
    name: str
    version: int
    channel: str
    signed_at: int
    campaign: str | None


class LineageCampaign(Resource):
    """The campaign that made the model."""

    id: str
    state: str
    started_by: str
    reason: str
    created_at: int
    ended_at: int | None


class LineageMode(Resource):
    """A failure mode that the campaign was for, with its misdetections as they are stored today."""

    id: str
    class_name: str
    condition: ConditionKey
    kind: str
    misdetections: int
    sources: dict[str, int]
    sites: tuple[str, ...]


class LineageOrder(Resource):
    """A synthesis order of the campaign; `set_digest` names the labelled set that it became."""

    mode: str
    order: str
    digest: str
    class_name: str
    condition: ConditionKey
    count: int
    seed: int
    prototype_used: bool
    set_digest: str | None
    images: int | None


class LineageHazard(Resource):
    """One generated hazard of an image: what was asked for, and with which seed."""

    class_name: str
    prompt: str
    seed: int


class LineageImage(Resource):
    """One kept image with the order that it came from; `left_out`: the training did not use it."""

    id: int
    name: str
    mode: str
    set_digest: str | None
    generator: str
    background: str
    hazards: tuple[LineageHazard, ...]
    left_out: bool


class LineageResource(Resource):
    """Where a model comes from and where it runs.

    `images` is one page of the `images_kept`; `next` is the cursor of the following one. `parents` begin with
    the model itself. `trained_on` is the record of the training data, None where there is none. `notes`: what
    is not recorded.
    """

    digest: str
    weights_digest: str | None
    sites: tuple[str, ...]
    parents: tuple[LineageRelease, ...]
    rollouts: tuple[str, ...]
    campaign: LineageCampaign | None
    failure_modes: tuple[LineageMode, ...]
    orders: tuple[LineageOrder, ...]
    trained_on: dict[str, Any] | None
    images_kept: int
    images: tuple[LineageImage, ...]
    next: str | None
    notes: tuple[str, ...]
