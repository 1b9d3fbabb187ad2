"""Large YOLO folders are listed in time that grows with their number of files, not with its square."""

from collections.abc import Iterable

import pytest

from cloud.data.faults import DataFindings
from cloud.data.formats.yolo import list_yolo_folder
from cloud.data.listing import ReadingOptions

COUNT = 50_000


class _Paths:
    """The files of a dataset without a disk."""

    origin = "in memory"

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = tuple(sorted(paths))

    def read(self, path: str, limit_bytes: int = 0) -> bytes:
        return b'["fire"]' if path == "classes.json" else b"0 0.5 0.5 0.5 0.5\n"

    def report_changes(self, findings: DataFindings, still_s: float) -> None:
        pass


@pytest.mark.timeout(60)  # with a loop over all files for each file it takes many minutes
@pytest.mark.parametrize("labels", ["labels", "images"], ids=["in a folder labels", "beside the images"])
def test_fifty_thousand_images_are_listed_within_seconds(labels: str) -> None:
    files = [f"images/{number:05d}.jpg" for number in range(COUNT)]
    files += [f"{labels}/{number:05d}.txt" for number in range(COUNT)]
    findings = DataFindings()
    listing = list_yolo_folder(_Paths([*files, "classes.json"]), ReadingOptions(), findings)
    assert findings.faults == []
    assert [image.labels for image in listing.images] == sorted(files[COUNT:])
