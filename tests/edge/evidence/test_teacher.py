"""A teacher with other classes than the detector in service."""

from edge.evidence.teacher import translated, with_teacher_thresholds
from edge.vision.detections import Detections
from messaging.taxonomy import taxonomy_of
from tests.support.edge.model_bundles import describe

BOX = (100.0, 100.0, 160.0, 180.0)
FAR = (400.0, 100.0, 460.0, 180.0)


def test_boxes_of_a_teacher_with_other_classes_are_mapped_to_the_classes_in_service() -> None:
    names = ("smoke", "tree", "fire")
    teacher = describe(class_names=names, taxonomy_digest=taxonomy_of(names).digest)
    boxes = Detections.of([BOX, BOX, FAR], [0.8, 0.8, 0.8], [0, 1, 2])
    mapped = translated(boxes, teacher, describe())
    assert mapped.class_id.tolist() == [1, 0]
    assert mapped.xyxy[1].tolist() == list(FAR)
    limits = with_teacher_thresholds(teacher, describe()).thresholds
    assert limits == {name: teacher.thresholds.get(name, 1.0) for name in describe().class_names}
    assert 1.0 in limits.values()
