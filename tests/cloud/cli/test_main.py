"""The command line: light imports, one sentence per error, documented exit codes, JSON for programs."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import click
import pytest
import typer

from cloud.api.client import RemoteCloud
from cloud.campaigns.process_lock import sole_process
from cloud.campaigns.stage import StageResult, StageWork
from cloud.cli.main import app
from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings, DataFolder, FailureModeSettings
from edge.gate.settings import GateSettings
from edge.settings import NodeSettings
from messaging.resources import CampaignResource
from messaging.runtime.configuration_files import load_settings
from messaging.trust.signing import Repository
from tests.support.cloud.running_cloud import RunningCloud, running_cloud
from tests.support.cloud.sample_reports import FOR_EVER, MODE, misdetection
from tests.support.cloud.scripted_stages import ScriptedStages, quick
from tests.support.command_line import blindspot
from tests.support.waiting import wait_until

HEAVY = {"torch", "dbos", "diffusers", "transformers", "ultralytics", "onnxruntime", "sqlalchemy", "fastapi"}


@pytest.fixture(scope="module")
def hold() -> Event:
    """While it is set, the training stage does not end."""
    return Event()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, hold: Event) -> Iterator[RunningCloud]:
    def train(work: StageWork) -> StageResult:
        while hold.is_set():
            work.pause(0.1)
        return quick(work)

    settings = CloudSettings(
        data=tmp_path_factory.mktemp("cloud"),
        api=ApiSettings(port=0),
        failure_modes=FailureModeSettings(window_days=36500),
        retention=FOR_EVER,
    )
    with running_cloud(settings, lambda _: ScriptedStages(train=train), sites=("harbour",)) as up:
        wait_until(lambda: up.sites)
        up.report("harbour", *(misdetection() for _ in range(3)))
        wait_until(lambda: up.parts is not None and up.parts.register.modes())
        yield up


def test_starting_the_command_line_imports_no_heavy_library() -> None:
    script = (
        "import sys; from cloud.cli.main import COMMANDS; [entry.command() for entry in COMMANDS.values()]; "
        f"print(sorted(set(sys.modules) & set({sorted(HEAVY)!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def _commands(command: click.Command, name: str = "blindspot") -> Iterator[tuple[str, click.Command]]:
    yield name, command
    for sub, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{name} {sub}")


@pytest.mark.parametrize(("name", "command"), list(_commands(typer.main.get_command(app))))
def test_the_help_of_a_command_begins_with_a_sentence_and_each_option_has_one(
    name: str, command: click.Command
) -> None:
    first, *more = (command.help or "").strip().split("\n\n")
    assert re.fullmatch(r"[A-Z][^\n]{10,110}\.", first), f"{name}: {first!r}"
    assert all(re.match(r"A dry run .*\.$", one, re.DOTALL) for one in more), f"{name}: {more}"
    bare = [p.name for p in command.params if not getattr(p, "help", None)]
    assert not bare, f"{name}: no help for {bare}"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("sites", "list", "--data", "nowhere"), 3, "no cloud runs on nowhere; start it with"),
        (("config", "validate", "nowhere.yaml"), 1, "nowhere.yaml cannot be read"),
        (("nonsense",), 2, "No such command"),
        (("data", "add", "nowhere", "--role", "training"), 1, "role 'training' is not one of"),
    ],
)
def test_an_error_is_one_sentence_and_an_exit_code(
    arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = blindspot(*arguments)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_new_configuration_is_valid_and_is_not_overwritten(tmp_path: Path) -> None:
    assert blindspot("init", str(tmp_path)).returncode == 0
    path = tmp_path / "cloud.yaml"
    assert blindspot("config", "validate", str(path)).returncode == 0
    path.write_text("dta: x\n")
    wrong = blindspot("config", "validate", str(path))
    assert (wrong.returncode, "did you mean 'data'" in wrong.stderr) == (1, True)
    assert blindspot("init", str(tmp_path)).returncode == 1
    assert path.read_text() == "dta: x\n"


def test_the_store_is_migrated_on_request(tmp_path: Path) -> None:
    assert blindspot("db", "migrate", "--data", str(tmp_path)).returncode == 0
    assert (tmp_path / "store.sqlite").exists()


def test_a_campaign_runs_from_the_list_of_failure_modes_to_done(cloud: RunningCloud) -> None:
    data = ("--data", str(cloud.settings.data))
    listed = json.loads(blindspot("failures", "list", "--json", *data).stdout)
    assert [row["id"] for row in listed] == [MODE]
    plan = json.loads(blindspot("campaign", "plan", MODE, "--count", "4", "--json", *data).stdout)
    assert plan["orders"][0]["count"] == 4
    started = json.loads(blindspot("campaign", "start", MODE, "--json", *data).stdout)
    watched = blindspot("campaign", "watch", started["id"], *data)
    assert (watched.returncode, "is done" in watched.stderr) == (0, True)
    shown = json.loads(blindspot("campaign", "show", started["id"], "--json", *data).stdout)
    assert shown["state"] == "done"
    again = blindspot("campaign", "resume", started["id"], *data)
    assert (again.returncode, "cannot be resumed; it is done" in again.stderr) == (1, True)


def test_a_failure_mode_is_shown_with_its_evidence(cloud: RunningCloud) -> None:
    data = ("--data", str(cloud.settings.data))
    shown = json.loads(blindspot("failures", "show", MODE, "--json", *data).stdout)
    assert (shown["id"], shown["count"], shown["sources"]) == (MODE, 3, {"teacher": 3})
    table = blindspot("failures", "show", MODE, *data)
    assert (table.returncode, "teacher 3" in table.stdout) == (0, True)
    unknown = blindspot("failures", "show", "fire.day-clear.missed", *data)
    assert (unknown.returncode, "is not known" in unknown.stderr) == (1, True)


def test_a_campaign_is_cancelled_and_resumed_to_its_end(cloud: RunningCloud, hold: Event) -> None:
    data = ("--data", str(cloud.settings.data))
    hold.set()
    started = json.loads(blindspot("campaign", "start", MODE, "--json", *data).stdout)["id"]
    with cloud.client() as client:
        wait_until(lambda: _stages(client, started).get("train") == "running")
        cancelled = blindspot("campaign", "cancel", started, *data)
        assert (cancelled.returncode, f"{started} is cancelling" in cancelled.stderr) == (0, True)
        wait_until(lambda: client.get(f"campaigns/{started}", CampaignResource).state == "cancelled")
        hold.clear()
        resumed = blindspot("campaign", "resume", started, *data)
        assert (resumed.returncode, f"{started} is queued" in resumed.stderr) == (0, True)
        *_, last = client.watch(started)
    assert (last.state, last.attempt) == ("done", 2)
    assert {stage.stage: stage.runs for stage in last.stages}["synthesise"] == 1


def _stages(client: RemoteCloud, campaign: str) -> dict[str, str]:
    return {s.stage: s.state for s in client.get(f"campaigns/{campaign}", CampaignResource).stages}


def test_the_reports_of_a_revoked_site_are_deleted_after_confirmation(cloud: RunningCloud) -> None:
    data = ("--data", str(cloud.settings.data))
    assert blindspot("sites", "add", "cabin", *data).returncode == 0
    early = blindspot("sites", "remove", "cabin", "--yes", *data)
    assert (early.returncode, "blindspot sites revoke cabin" in early.stderr) == (1, True)
    for question in ("remove", "remove --dry-run"):
        refused = blindspot("sites", *question.split(), "cabin", *data)
        assert (refused.returncode, "Delete of site" in refused.stdout + refused.stderr) == (1, False)
        assert "error: site cabin is not revoked" in refused.stderr
    unknown = blindspot("sites", "remove", "cellar", *data)
    assert (unknown.returncode, "error: site 'cellar' is not known" in unknown.stderr) == (1, True)
    assert blindspot("sites", "revoke", "cabin", "--yes", *data).returncode == 0
    unconfirmed = blindspot("sites", "remove", "cabin", *data)
    assert (unconfirmed.returncode, "Delete of site cabin: nothing?" in unconfirmed.stdout) == (1, True)
    planned = blindspot("sites", "remove", "cabin", "--dry-run", *data)
    assert "a removal would delete of site cabin: nothing" in planned.stderr
    plan = json.loads(blindspot("sites", "remove", "cabin", "--dry-run", "--json", *data).stdout)
    assert (plan["revoked"], plan["rows"]["dead_letters"], plan["campaigns"]) == (True, 0, [])
    removed = blindspot("sites", "remove", "cabin", "--reject-images", "--yes", *data)
    assert "No campaign was planned with evidence of cabin." in removed.stderr
    assert "deleted of site cabin: nothing;" in removed.stderr
    found = json.loads(blindspot("sites", "remove", "cabin", "--yes", "--json", *data).stdout)
    assert (found["site"], found["campaigns"], found["rejected_images"]) == ("cabin", [], 0)


def test_a_site_is_revoked_only_after_confirmation(cloud: RunningCloud) -> None:
    data = ("--data", str(cloud.settings.data))
    assert blindspot("sites", "add", "attic", *data).returncode == 0
    unconfirmed = blindspot("sites", "revoke", "attic", *data)
    assert (unconfirmed.returncode, "Aborted" in unconfirmed.stderr) == (1, True)
    assert _site_states(data)["attic"] is False
    revoked = blindspot("sites", "revoke", "attic", "--yes", *data)
    assert (revoked.returncode, "site attic is revoked" in revoked.stderr) == (0, True)
    assert _site_states(data)["attic"] is True
    assert "revoked" in blindspot("sites", "list", *data).stdout
    unknown = blindspot("sites", "revoke", "cellar", "--yes", *data)
    assert (unknown.returncode, "site 'cellar' is not known" in unknown.stderr) == (1, True)


def _site_states(data: tuple[str, str]) -> dict[str, bool]:
    return {
        row["site"]: row["revoked"] for row in json.loads(blindspot("sites", "list", "--json", *data).stdout)
    }


def test_enrolling_a_site_prints_its_files_and_the_url_of_the_hub(cloud: RunningCloud) -> None:
    data = _with_hub_address(cloud)
    added = blindspot("sites", "add", "attic", *data)
    assert added.returncode == 0
    assert "hub_url is nats://127.0.0.1:4222" in added.stderr
    assert all(Path(line).exists() for line in added.stdout.split())


def _with_hub_address(cloud: RunningCloud) -> tuple[str, str]:
    address = cloud.settings.folder.hub / "address.json"
    address.parent.mkdir(exist_ok=True)
    address.write_text(json.dumps({"url": "nats://127.0.0.1:4222"}))
    return ("--data", str(cloud.settings.data))


def test_a_site_is_enrolled_with_a_folder_that_its_programs_accept(
    cloud: RunningCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, folder = _with_hub_address(cloud), tmp_path / "attic site"
    done = blindspot(
        "sites", "add", "attic", "--out", str(folder), "--camera", "north=rtsp://u:${PASSWORD}@10.0.0.2/a",
        "--camera", "south=usb:0", "--broker-port", "4300", *data,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "blindspot-edge broker --site attic --folder broker --port 4300"
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    monkeypatch.setenv("PASSWORD", "p")
    node = load_settings(NodeSettings, folder / "node.yaml")
    gate = load_settings(GateSettings, folder / "gate.yaml")
    assert [camera.source for camera in node.cameras] == ["rtsp://u:p@10.0.0.2/a", "usb:0"]
    assert (gate.hub_url, gate.site_url, node.broker.url) == (
        "nats://127.0.0.1:4222", "nats://127.0.0.1:4300", "nats://127.0.0.1:4300"
    )  # fmt: skip
    assert gate.mirror_folder == node.mirror
    assert gate.cameras == {"north": (), "south": ()}
    assert (folder / gate.hub_credentials).read_bytes()
    assert (folder / node.trust).read_bytes()


MOST_CAMERAS_AND_ONE = tuple(part for n in range(17) for part in ("--camera", f"c{n}=usb:{n}"))


@pytest.mark.parametrize(
    ("cameras", "sentence"),
    [
        ((), "a site needs a camera; add --camera NAME=SOURCE"),
        (("--camera", "north"), "camera 'north' is not NAME=SOURCE"),
        (("--camera", "a=usb:0", "--camera", "a=usb:1"), "camera 'a' is given twice"),
        (("--camera", "North=usb:0"), "'North' is no name of a camera; use lower-case letters"),
        (MOST_CAMERAS_AND_ONE, "17 cameras are given; a site has at most 16"),
        (("--camera", "a=usb:0"), "is not empty; choose a new folder for the site"),
    ],
)
def test_a_folder_for_a_site_is_refused_before_the_site_is_enrolled(
    cloud: RunningCloud, tmp_path: Path, cameras: tuple[str, ...], sentence: str
) -> None:
    data = _with_hub_address(cloud)
    (tmp_path / "kept.txt").write_text("kept")
    done = blindspot("sites", "add", "loft", "--out", str(tmp_path), *cameras, *data)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
    assert "loft" not in _site_states(data)


def test_doctor_finds_the_running_cloud(cloud: RunningCloud) -> None:
    done = blindspot("doctor", "--no-speed", "--json", "--data", str(cloud.settings.data))
    checks = json.loads(done.stdout)
    assert (done.returncode, checks["cloud"]["ok"], checks["broker"]["ok"]) == (0, True, True), done.stdout


def test_a_signing_key_is_rotated_only_while_the_cloud_is_stopped(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    before = set(Repository(folder.releases).metadata_files())
    rotate = ("keys", "rotate", "targets", "--data", str(tmp_path))
    with sole_process(folder):
        refused = blindspot(*rotate)
    assert refused.returncode == 1
    assert "another process runs the cloud" in refused.stderr
    done = blindspot(*rotate)
    assert done.returncode == 0, done.stderr
    assert set(Repository(folder.releases).metadata_files()) - before == {
        "2.root.json",
        "2.snapshot.json",
        "2.targets.json",
    }
