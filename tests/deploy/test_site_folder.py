"""The gate of a new site pins its cameras: the folder that `sites add` makes lists them in `gate.yaml`."""

from pathlib import Path

import pytest

from edge.doctor import cameras_at_the_gate, examine
from edge.gate.limits.pins import PinBroken, PinReason
from edge.gate.settings import GateSettings
from messaging.reports import Heartbeat, Report
from messaging.runtime.configuration_files import load_settings
from messaging.wire_format.codec import decode
from tests.support.edge.gate_stage import NOW_UTC, admission_of, report_id, subject_and_data
from tests.support.messaging.samples import HAZARD, HEARTBEAT, MISDETECTION
from tests.support.site_folders import made_site_folder, uncommented

UNZONED = HAZARD.model_copy(update={"zone": None})
NAME, ZONE_OF_NORTH = "cameras at the gate", "zone gate-a of camera north"


def _gate(folder: Path) -> GateSettings:
    return load_settings(GateSettings, folder / "gate.yaml")


def _send(folder: Path, report: Report) -> None:
    """Let the gate of that folder decide about a report. Raises `PinBroken`."""
    subject, data = subject_and_data(1, report)
    admission = admission_of(folder, listed=_gate(folder).cameras)
    if isinstance(report, Heartbeat):
        admission.heartbeat(decode(data), int(NOW_UTC))
    else:
        admission.report(subject, report_id(1), data, int(NOW_UTC))


def test_the_gate_of_a_new_site_pins_exactly_the_cameras_of_its_node(tmp_path: Path) -> None:
    folder = made_site_folder(tmp_path, "north=usb:0", "1=rtsp://camera/street")
    assert _gate(folder).cameras == {"north": (), "1": ()}
    _send(folder, MISDETECTION)
    _send(folder, MISDETECTION.model_copy(update={"camera": "1"}))
    _send(folder, UNZONED)


@pytest.mark.parametrize(
    ("report", "reason", "name"),
    [
        (MISDETECTION, PinReason.CAMERA, "camera north"),
        (UNZONED, PinReason.CAMERA, "camera north"),
        (HEARTBEAT, PinReason.CAMERA, f"camera {HEARTBEAT.cameras[0].camera}"),
    ],
    ids=["evidence", "a hazard", "a heartbeat"],
)
def test_a_report_of_another_camera_is_refused_by_the_gate_of_a_new_site(
    tmp_path: Path, report: Report, reason: PinReason, name: str
) -> None:
    folder = made_site_folder(tmp_path, "quay=usb:0")
    with pytest.raises(
        PinBroken, match=f"^{name} is not in `cameras` of the gate's configuration"
    ) as refused:
        _send(folder, report)
    assert refused.value.reason is reason


def test_a_zone_that_is_in_node_yaml_only_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = made_site_folder(tmp_path, "north=usb:0")
    with pytest.raises(PinBroken) as refused:
        _send(folder, HAZARD)
    assert refused.value.reason is PinReason.ZONE
    assert str(refused.value) == (
        f"{ZONE_OF_NORTH} is not in `cameras` of the gate's configuration; if it is one of this site's, "
        "list it there beside the others and start the gate again"
    )


def test_the_example_in_the_gates_file_is_valid_and_pins_what_it_shows(tmp_path: Path) -> None:
    gate = made_site_folder(tmp_path, "quay=usb:0") / "gate.yaml"
    gate.write_text(uncommented(gate.read_text().splitlines(), "yard: [entrance, ramp]"))
    assert load_settings(GateSettings, gate).cameras == {"quay": (), "yard": ("entrance", "ramp")}


ZONED = "- {name: north, source: usb:0, zones: {gate-a: [[0, 0], [1, 0], [1, 1]]}}\n"


@pytest.mark.parametrize(
    ("added", "listed", "refused"),
    [
        ("", "north: []", None),
        ("- {name: yard, source: usb:1}\n", "north: []", "camera yard"),
        (ZONED, "yard: [gate-a]", "camera north"),
        (ZONED, "north: []", ZONE_OF_NORTH),
        (ZONED, "north: [gate-a]", None),
        (ZONED + "- {name: yard, source: usb:1}\n", "north: [gate-b]", f"camera yard, {ZONE_OF_NORTH}"),
    ],
    ids=["as made", "a camera", "a camera with a zone", "a zone", "all listed", "both"],
)
def test_the_doctor_names_what_is_in_node_yaml_only(
    tmp_path: Path, added: str, listed: str, refused: str | None
) -> None:
    folder = made_site_folder(tmp_path, "quay=usb:0")
    node, gate = folder / "node.yaml", folder / "gate.yaml"
    node.write_text(node.read_text() + added)
    gate.write_text(gate.read_text().replace("  quay: []\n", f"  quay: []\n  {listed}\n"))
    sentence = f"{gate} lists every camera and zone of the node"
    if refused is not None:
        sentence = (
            f"{refused}: not in `cameras` of {gate}, so the gate refuses their reports; "
            "list them there and start the gate again"
        )
    (found,) = cameras_at_the_gate(node, gate)
    assert (found.ok, found.detail) == (refused is None, sentence)


def test_the_doctor_of_both_files_says_when_the_gate_pins_no_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made_site_folder(tmp_path, "quay=usb:0")
    monkeypatch.chdir(folder)
    gate = folder / "gate.yaml"
    gate.write_text(gate.read_text().partition("cameras:")[0])
    sentence = f"{gate} has no `cameras`: the first cameras and zones that are reported may leave"
    assert [one.detail for one in examine(folder / "node.yaml", gate=gate) if one.name == NAME] == [sentence]
    assert NAME not in {one.name for one in examine(folder / "node.yaml")}


def test_an_invalid_file_is_no_second_finding(tmp_path: Path) -> None:
    folder = made_site_folder(tmp_path, "quay=usb:0")
    (folder / "gate.yaml").write_text("site: [")
    assert list(cameras_at_the_gate(folder / "node.yaml", folder / "gate.yaml")) == []
