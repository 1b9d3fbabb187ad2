"""What commands print of a running cloud: tables for people, JSON for programs, refusals as exit codes."""

import getpass
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from cloud.cli.main import app
from cloud.errors import NotNow
from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings, FailureModeSettings
from messaging.blobs import digest_of
from messaging.hazard_classes import HazardClass
from messaging.reports import EvidenceSource
from tests.support.cloud.running_cloud import FIRST, RunningCloud, running_cloud
from tests.support.cloud.sample_reports import FOR_EVER, MODE, misdetection, tally
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.messaging.samples import HAZARD
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("wide")

MODEL = digest_of(FIRST)
UNKNOWN = MODE.replace("pothole", "unknown")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    settings = CloudSettings(
        data=tmp_path_factory.mktemp("cloud"),
        api=ApiSettings(port=0),
        failure_modes=FailureModeSettings(window_days=36500),
        retention=FOR_EVER,
    )
    with running_cloud(settings, lambda _: ScriptedStages(), sites=("harbour", "quay")) as up:
        wait_until(lambda: [site.model for site in up.sites.values()] == [MODEL, MODEL])
        unknown = misdetection(model_digest=MODEL, class_name="unknown", evidence=EvidenceSource.MOTION)
        up.report("harbour", misdetection(model_digest=MODEL), unknown, tally(model_digest=MODEL), HAZARD)
        wait_until(lambda: up.parts is not None and len(up.parts.register.modes()) == 2)
        yield up


def run(cloud: RunningCloud, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data", str(cloud.settings.data)])


@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        (("sites", "list"), ("harbour", "online", MODEL[:12])),
        (("hazards", "list"), ("fire", "harbour")),
        (("ledger", "show"), ("misdetection", "hazard", "recall")),
        (("failures", "list"), (MODE, UNKNOWN, "open")),
        (("failures", "show", MODE), ("teacher 1", "harbour/north", "target 50 %")),
        (("models", "list"), (MODEL[:12], "service")),
        (("models", "card", MODEL[:8]), (MODEL, "service")),
        (("models", "verify"), (f"{MODEL[:12]} version 1 service: signatures are valid",)),
        (("campaign", "plan", MODE), ("Plan (from", MODE)),
        (("doctor", "--no-speed"), ("is ready",)),
    ],
)
def test_a_command_prints_a_table_for_people(
    cloud: RunningCloud, arguments: tuple[str, ...], cells: tuple[str, ...]
) -> None:
    done = run(cloud, *arguments)
    assert done.exit_code == 0, done.output
    assert [cell for cell in cells if cell not in done.output] == [], done.output


def test_a_plan_states_what_the_campaign_uses_and_a_control_model_if_asked_for(cloud: RunningCloud) -> None:
    plain = run(cloud, "campaign", "plan", MODE).output
    for stated in (
        "generator small-sd, licence",
        "prompt: a photo of",
        "points of recall",
        "canary: harbour",
    ):
        assert stated in plain
    stated = "a control model is trained too"
    assert stated in run(cloud, "campaign", "plan", MODE, "--control").output
    assert stated not in plain
    plan = json.loads(run(cloud, "campaign", "plan", MODE, "--no-control", "--json").output)
    assert plan["control"] is False
    started = run(cloud, "campaign", "start", MODE, "--control", "--dry-run", "--json").output
    assert json.loads(started)["control"] is True


def test_a_site_is_quarantined_and_released(cloud: RunningCloud) -> None:
    assert "site quay is quarantined" in run(cloud, "sites", "quarantine", "quay").output
    assert "quarantined" in run(cloud, "sites", "list").output
    assert "site quay counts" in run(cloud, "sites", "release", "quay").output.replace("the evidence of ", "")
    assert "quarantined" not in run(cloud, "sites", "list").output
    assert run(cloud, "sites", "quarantine", "nowhere").exit_code == 1


def test_a_dead_letter_is_listed_read_and_replayed(cloud: RunningCloud) -> None:
    assert run(cloud, "deadletters", "list").output == "No message was refused.\n"
    assert cloud.parts is not None
    cloud.report("quay", misdetection(class_name="land_slide"))
    reports = cloud.parts.reports
    wait_until(lambda: len(reports.dead_letters()) == 1)
    number = str(reports.dead_letters()[0].id)
    assert "hazard class 'land_slide'" in run(cloud, "deadletters", "list").output
    assert "hazard class 'land_slide'" in run(cloud, "deadletters", "list", "--site", "quay").output
    assert run(cloud, "deadletters", "list", "--site", "harbour").output == "No message was refused.\n"
    shown = run(cloud, "deadletters", "show", number).output
    assert ("site.quay.report.misdetection" in shown, "'class_name': 'land_slide'" in shown) == (True, True)
    refused = run(cloud, "deadletters", "replay", number)
    assert (refused.exit_code, "is refused again: hazard class 'land_slide'" in refused.output) == (1, True)
    cloud.parts.classes.add([HazardClass(name="land_slide", severity=4, words=("a land slide",))])
    assert run(cloud, "deadletters", "replay", "--all", "--site", "harbour").output == ""
    done = run(cloud, "deadletters", "replay", "--all", "--site", "quay")
    assert f"dead letter {number}: 1 reports are stored" in done.output
    assert run(cloud, "deadletters", "list").output == "No message was refused.\n"
    assert run(cloud, "deadletters", "show", number).exit_code == 1
    assert run(cloud, "deadletters", "replay").exit_code == 2
    assert run(cloud, "deadletters", "replay", number, "--site", "quay").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("cameras", "list"), "No camera has reported yet."),
        (("campaign", "list"), "No campaign yet; start one with `blindspot campaign start`."),
        (("data", "list"), "No data yet; add some with `blindspot data add FOLDER --role ROLE`."),
    ],
)
def test_an_empty_list_is_one_sentence(
    cloud: RunningCloud, arguments: tuple[str, ...], sentence: str
) -> None:
    done = run(cloud, *arguments)
    assert (done.exit_code, done.stderr.strip(), done.stdout) == (0, sentence, "")


def test_sites_are_grouped_and_their_groups_are_listed(cloud: RunningCloud) -> None:
    assert "No site is in a group" in run(cloud, "sites", "groups").output
    assert "in group water" in run(cloud, "sites", "group", "quay", "water").output
    (found,) = json.loads(run(cloud, "sites", "groups", "--json").output)
    assert found == {"group": "water", "sites": 1}
    assert "water" in run(cloud, "sites", "groups").output
    assert "in no group" in run(cloud, "sites", "group", "quay").output


@pytest.mark.parametrize("command", ["sites", "cameras", "hazards", "failures", "models", "campaign"])
def test_a_list_is_json_for_programs(cloud: RunningCloud, command: str) -> None:
    done = run(cloud, command, "list", "--json")
    assert done.exit_code == 0
    assert isinstance(json.loads(done.stdout), list)


def test_a_mode_of_unknown_class_is_assigned_a_class(cloud: RunningCloud) -> None:
    done = run(cloud, "failures", "assign", UNKNOWN, "fire")
    assert (done.exit_code, done.stderr.strip()) == (0, f"{UNKNOWN} is assigned to class fire")


def test_a_rollout_is_started_and_its_sites_are_shown(cloud: RunningCloud) -> None:
    none_yet = run(cloud, "rollout", "status")
    assert (none_yet.exit_code, "There is no rollout yet" in none_yet.stderr) == (1, True)
    started = json.loads(run(cloud, "rollout", "start", MODEL[:8], "--json").stdout)
    assert {site["site"]: site["group"] for site in started["sites"]} == {"harbour": "canary", "quay": "all"}
    paused = run(cloud, "rollout", "pause")
    assert f"Rollout {started['id']} of detector {MODEL[:12]}: canary (paused)" in paused.stdout
    resumed = run(cloud, "rollout", "resume", started["id"]).stdout
    assert "(paused)" not in resumed
    assert all(action in resumed for action in ("History", getpass.getuser(), "started", "paused", "resumed"))
    refused = run(cloud, "rollout", "approve")
    assert "waits for no approval" in str(refused.exception)
    refused = run(cloud, "rollout", "rollback")
    assert isinstance(refused.exception, NotNow)
    assert "put the first model in service" in str(refused.exception)
    assert ": halted" in run(cloud, "rollout", "stop").stdout
    listed = run(cloud, "rollout", "list").stdout
    assert (started["id"] in listed, "halted" in listed) == (True, True)
    assert run(cloud, "rollout", "list", "--campaign", "C1").stderr.startswith("No rollout yet;")


def test_a_downgrade_ticket_is_signed_for_the_named_sites(cloud: RunningCloud) -> None:
    done = run(cloud, "models", "ticket", MODEL[:8], "--site", "quay", "--days", "2", "--json")
    signed = json.loads(done.stdout)
    assert (signed["sites"], signed["number"] > 1) == (["quay"], True)
    assert "quay may go back to" in run(cloud, "models", "ticket", MODEL[:8], "--site", "quay").stderr


def test_a_bundle_that_was_changed_after_signing_fails_verification(cloud: RunningCloud) -> None:
    bundle = cloud.settings.folder.models / MODEL / "model.onnx"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_bytes(FIRST)
    assert run(cloud, "models", "verify").exit_code == 0
    bundle.write_bytes(FIRST + b"changed")
    done = run(cloud, "models", "verify")
    assert (done.exit_code, "is not the signed bundle" in done.stderr) == (1, True)


def test_backgrounds_are_added_and_listed_by_role(tmp_path: Path) -> None:
    images, data = tmp_path / "streets", ("--data", str(tmp_path / "data"))
    images.mkdir()
    cv2.imwrite(str(images / "quay_1.jpg"), np.zeros((20, 30, 3), np.uint8))
    added = CliRunner().invoke(app, ["data", "add", str(images), "--role", "background", "--json", *data])
    assert json.loads(added.stdout)["images"] == 1
    listed = CliRunner().invoke(app, ["data", "list", *data])
    assert all(cell in listed.stdout for cell in ("background", "streets", "1"))


def test_the_configuration_is_shown_with_its_defaults() -> None:
    shown = json.loads(CliRunner().invoke(app, ["config", "show", "--json"]).stdout)
    assert shown["rollout"]["wide_fraction"] == 0.5
    assert "wide_fraction: 0.5" in CliRunner().invoke(app, ["config", "show"]).stdout
    schema = json.loads(CliRunner().invoke(app, ["config", "schema"]).stdout)
    assert "rollout" in schema["properties"]
