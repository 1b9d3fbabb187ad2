"""A frame through a camera's pipeline, and everything that is compared with it, one after the other."""

from edge.pipeline import CameraPipeline
from edge.updates.shadow import ShadowRun
from edge.vision.frames import Frame
from messaging.reports import Report


def show(pipeline: CameraPipeline, frame: Frame, shadow: ShadowRun | None = None) -> list[Report]:
    """All reports of a frame and of the comparisons that were waiting."""
    reports = list(pipeline.process(frame, shadow).reports)
    while (late := pipeline.compare()) is not None:
        reports += late
    return reports
