"""What each dataset role needs of its images, so that no later stage refuses what was added."""

from collections.abc import Sequence
from typing import Protocol

from cloud.data.boxes import NormalisedBox
from cloud.data.faults import DataFindings, some
from cloud.data.roles import TRAINING_ROLES, DataRole


class LabelledPath(Protocol):
    """What the rules read of an image."""

    @property
    def path(self) -> str:
        """Its path in the dataset."""

    @property
    def labels(self) -> str | None:
        """Its label file, if any."""

    @property
    def boxes(self) -> tuple[NormalisedBox, ...]:
        """Its hazards."""


def check_trained_classes(
    role: DataRole | None, trained: Sequence[str], images: Sequence[LabelledPath], findings: DataFindings
) -> None:
    """Record boxes of classes that the detector does not have: it cannot be trained on them or measured."""
    for name in sorted({box.class_name for image in images for box in image.boxes} - set(trained)):
        paths = tuple(image.path for image in images if any(box.class_name == name for box in image.boxes))
        what = f"the detector has no class {name!r}, it has {', '.join(trained)}; {len(paths)} images have it"
        if role in TRAINING_ROLES:
            findings.fault(
                some(paths, 1), what, f"leave its boxes out with --drop {name}, or map it with --map"
            )
        else:
            findings.note(f"{what}; evaluations leave these boxes out")


def check_role(
    role: DataRole | None, origin: str, images: Sequence[LabelledPath], findings: DataFindings
) -> None:
    """Record what a role lacks.

    Calibration and holdout measure on boxes, so that they need some; a holdout without hazard-free images
    measures no false alarm there, which is worth a note. Training accepts hazard-free images, but not a
    folder without a single label file: its labels were forgotten. Backgrounds must be free of hazards.
    """
    if role is None or not images:
        return
    boxes = sum(len(image.boxes) for image in images)
    unlabelled = tuple(image.path for image in images if image.labels is None)
    if role is DataRole.BACKGROUND:
        hazards = tuple(image.path for image in images if image.boxes)
        if hazards:
            what = f"{len(hazards)} images have hazards: {some(hazards)}"
            findings.fault(origin, what, "hazards are generated into backgrounds; leave these images out")
        return
    if len(unlabelled) == len(images):
        remedy = "put them into labels/, an empty one for an image without hazard"
        findings.fault(origin, f"no label file for any of its {len(images)} images", remedy)
    elif not boxes and role not in TRAINING_ROLES:
        findings.fault(
            origin, f"has no box in {len(images)} images", f"role {role} measures recall; label hazards"
        )
    elif not boxes:
        findings.note("no box at all: every image counts as one without hazard")
    if unlabelled and len(unlabelled) < len(images):
        shown = some(unlabelled)
        findings.note(
            f"{len(unlabelled)} images without a label file count as images without hazard: {shown}"
        )
    if role is DataRole.HOLDOUT and boxes and all(image.boxes for image in images):
        findings.note("no image without hazard: false alarms on empty scenes are not measured")
