"""What the cloud sends to a site: the detector bundle's description and the rollout order.

A bundle is one file, `model.onnx`; its description is stored in it (`metadata_props["blindspot"]`)
and its digest is the file's sha256. A rollout order only names one of the releases; it carries no
weights, and a site installs nothing that is not a signed release.
"""

from enum import StrEnum
from functools import cached_property
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from messaging.fields import Digest, Slug, UnitFloat
from messaging.hazard_classes import HazardClass
from messaging.taxonomy import Taxonomy, names_digest, taxonomy_of

METADATA_KEY = "blindspot"
MAX_EMBEDDING = 64


class BundleDescription(BaseModel):
    """How to feed a detector bundle and read its outputs.

    Input: (n, 3, height, width) float32, RGB 0-1, letterboxed with grey 114. Outputs: `boxes_output`
    (n, 4 + classes, anchors): centre x, centre y, width, height in input pixels, then class scores,
    NMS outside; `features_output` (n, embedding_width, height/feature_stride, width/feature_stride):
    feature maps of layers that are never trained, already projected on the public basis, from which
    per-box embeddings are pooled (RoIAlign). The basis is part of the graph: pooling is linear, so
    projecting the map is projecting the pooled vector.

    `classes` describe the names, in the same order, and have the rules by which a site reports them; bundles
    without them have the rules of the shipped classes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = 1
    name: Slug
    class_names: tuple[Slug, ...]
    taxonomy_digest: Digest
    classes: tuple[HazardClass, ...] = ()
    input_width: int = Field(ge=32, le=4096, multiple_of=32)
    input_height: int = Field(ge=32, le=4096, multiple_of=32)
    thresholds: dict[Slug, UnitFloat]
    nms_iou: UnitFloat = 0.6
    boxes_output: str = "boxes"
    features_output: str = "features"
    feature_stride: int = Field(ge=1, le=64)
    embedding_width: int = Field(ge=1, le=MAX_EMBEDDING)
    embedding_digest: Digest
    clip_norm: float = Field(gt=0.0)
    parent_digest: Digest | None = None
    licence: str = Field(max_length=80)

    @model_validator(mode="after")
    def _classes_agree(self) -> Self:
        if names_digest(self.class_names) != self.taxonomy_digest:
            raise ValueError("taxonomy_digest is not the digest of class_names")
        if set(self.thresholds) != set(self.class_names):
            raise ValueError(f"thresholds must name each class once; got {sorted(self.thresholds)}")
        if self.classes and tuple(c.name for c in self.classes) != self.class_names:
            raise ValueError("classes must describe class_names in the same order")
        return self

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The classes that this bundle detects."""
        return Taxonomy(self.classes) if self.classes else taxonomy_of(self.class_names)


class Channel(StrEnum):
    """What a release may do: `trial` runs in shadow only, `service` may be put in service."""

    TRIAL = "trial"
    SERVICE = "service"


class Role(StrEnum):
    """What a release is at a site: the detector whose detections are reported, or its teacher."""

    DETECTOR = "detector"
    TEACHER = "teacher"


def order_key(site: str, role: "Role") -> str:
    """The name under which the latest order of a site and role is stored; a slug contains no dot."""
    return site if role is Role.DETECTOR else f"{site}.{role}"


class ExecutionProvider(StrEnum):
    """The part of ONNX Runtime that runs a model on one kind of hardware."""

    TENSORRT = "tensorrt"
    CUDA = "cuda"
    OPENVINO = "openvino"
    COREML = "coreml"
    CPU = "cpu"


class RolloutOrder(BaseModel):
    """Names the release that one site should run in a role; signed by the director key.

    `sequence` only increases, over the orders of both roles. An expired order changes nothing: the site keeps
    its model in service.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: Slug
    role: Role = Role.DETECTOR
    sequence: int = Field(ge=1)
    digest: Digest
    channel: Channel
    issued_at_utc: int = Field(ge=0, description="seconds since 1970")
    expires_at_utc: int = Field(ge=0, description="seconds since 1970")
    downgrade: bool = False
