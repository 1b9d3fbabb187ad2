"""The whole loop as a user starts it: hub, cloud, page, two sites; every stage once, nothing left behind."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from edge.gate.ledger_entries import verify
from messaging.figures import Figure
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "synth" / "small_sd" / "checkpoint"
LIMIT_S = 1200  # it took 540 s on two cores without AVX-512, beside one other test process
STAGES = [
    "plan",
    "synthesise",
    "filter",
    "train",
    "evaluate",
    "trial",
    "shadow",
    "service",
    "roll_out",
    "verify",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(LIMIT_S + 60),
    pytest.mark.skipif(not (CHECKPOINT / "model_index.json").exists(), reason="no generator checkpoint here"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `blindspot demo --tiny` has left."""
    out = tmp_path_factory.mktemp("loop") / "demo"
    command = [sys.executable, "-m", "cloud.cli.main", "demo", "--tiny", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return out


@pytest.fixture(scope="module")
def report(run: Path) -> dict[str, Any]:
    """What the run reported."""
    found: dict[str, Any] = json.loads((run / "report.json").read_text())
    return found


def test_every_stage_of_the_campaign_ran(report: dict[str, Any]) -> None:
    assert list(report["stages_s"]) == STAGES
    false_alarms, tiny = report["notes"]
    assert false_alarms.startswith("False alarms on ")
    assert tiny.startswith("Tiny profile: ")
    assert report["measured"]["false_alarms"]["images"] == 6


def test_a_model_was_swapped_in_at_both_sites_without_losing_a_frame(
    run: Path, report: dict[str, Any]
) -> None:
    assert report["measured"]["frames_lost_in_swap"] == 0
    for site in ("north", "south"):
        log = (run / "work" / "sites" / site / "node.log").read_text()
        assert log.count(": committed detector ") == 2
        assert log.count(": committed teacher ") == 1


def test_images_were_generated_and_kept(report: dict[str, Any]) -> None:
    assert report["images"]["kept"] > 0


def test_only_listed_messages_left_and_the_ledgers_verify(run: Path, report: dict[str, Any]) -> None:
    for site in report["sites"]:
        summary = verify(run / "work" / "sites" / site["site"] / "gate" / "ledger")
        assert {"misdetection", "recall", "shadow", "swap"} <= set(summary.by_kind)
        received = sum(site["messages"].values())
        assert 0 < received <= summary.head.n


def test_the_figures_file_names_every_figure(run: Path) -> None:
    document = json.loads((run.parent / "figures" / "demo-tiny.json").read_text())
    assert {figure["name"] for figure in document["figures"]} >= {"demo_minutes", "uplink_to_footage"}
    for figure in document["figures"]:
        restored = Figure(figure["name"], figure["value"], figure["unit"], figure["target"])
        assert restored.holds == figure["holds"]


def test_no_process_of_the_run_is_left(run: Path) -> None:
    def left() -> list[list[str]]:
        return [
            process.info["cmdline"]
            for process in psutil.process_iter(["cmdline"])
            if any(str(run) in part for part in process.info["cmdline"] or ())
        ]

    wait_until(lambda: not left(), 10)
