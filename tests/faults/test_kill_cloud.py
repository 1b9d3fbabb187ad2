"""kill -9 of the cloud while it generates and trains: finished stages stay finished, no report is lost."""

import contextlib
import time
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import create_engine, func, select

from cloud.api.client import RemoteCloud
from cloud.demo.drawn.scenario import DrawnScenario
from cloud.demo.fleet import CloudProcess
from cloud.demo.players import DrawnPlayer
from cloud.demo.run import ENDED, Demo, running
from cloud.demo.script import TINY, FootagePhase
from cloud.settings import DataFolder
from cloud.store.report_records import StoredReport
from messaging.resources import CampaignRequest, CampaignResource
from messaging.runtime.quoting import sqlite_url
from tests.support.edge.ledger_counts import report_entries
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.broker, pytest.mark.timeout(1200)]

ULID_LENGTH = 26
KILLED_IN = ("synthesise", "train")
DOWN_S = 5.0
WITHIN_S = 300.0


def test_a_cloud_killed_while_it_generates_and_trains_continues_and_loses_no_report(tmp_path: Path) -> None:
    work = tmp_path / "work"
    scenario = DrawnScenario(work, TINY, DrawnPlayer(work, TINY))
    with running(work, TINY, scenario, Console(quiet=True)) as (demo, process, cloud):
        demo.start_sites(cloud)
        demo.observe(cloud, 0)
        request = CampaignRequest(top=1, count=TINY.images_per_mode, seed=1, options={"epochs": TINY.epochs})
        started = cloud.send("POST", "campaigns", CampaignResource, request)
        runs = {}
        for number, stage in enumerate(KILLED_IN):
            before = _in_stage(demo, cloud, started.id, stage, progress=0.01)
            runs |= {s.stage: s.runs for s in before.stages if s.state == "done"}
            _kill_and_restart(demo, process, number)
        last = _in_stage(demo, cloud, started.id, "shadow")
        stages = {s.stage: s for s in last.stages}
        repeated = {name: stages[name].runs - 1 for name in KILLED_IN}
        assert sum(repeated.values()) == len(KILLED_IN), f"a kill repeats one stage: {repeated}"
        assert {name: stages[name].runs for name in runs} == runs, "a finished stage ran again"
        assert last.images_kept == TINY.images_per_mode
        _wait_for_all_frames(demo, cloud)
        for site in demo.sites:
            site.check()
            site.node.stop()
        _assert_all_arrived(demo)


def _in_stage(
    demo: Demo, cloud: RemoteCloud, campaign: str, stage: str, *, progress: float = 0.0
) -> CampaignResource:
    """The campaign once one of its stages runs and has this progress."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        found = demo.tick(cloud, campaign).campaign
        assert found is not None
        assert found.state not in ENDED, found.reason
        here = [row for row in found.stages if row.stage == stage and row.state == "running"]
        if here and here[0].progress >= progress:
            return found
    raise AssertionError(f"{stage} did not begin within {WITHIN_S:g} s")


def _kill_and_restart(demo: Demo, process: CloudProcess, number: int) -> None:
    """Kill the cloud, play new footage to the sites while it is down, and start it again."""
    process.kill()
    demo.player.begin(FootagePhase.FILLER, number)
    time.sleep(DOWN_S)
    process.restart()


def _wait_for_all_frames(demo: Demo, cloud: RemoteCloud) -> None:
    """Wait until the nodes have processed every frame, also those played while the cloud was down."""
    deadline = time.monotonic() + WITHIN_S
    while not demo.player.observed(demo.tick(cloud).cameras):
        assert time.monotonic() < deadline, "the nodes did not process all frames"


def _assert_all_arrived(demo: Demo) -> None:
    """Every message that a gate entered in its ledger is in the store, and nothing else."""
    with contextlib.suppress(AssertionError):  # the comparison below shows the difference
        wait_until(lambda: _left(demo) == _stored(demo), 60)
    assert _left(demo) == _stored(demo)


def _left(demo: Demo) -> dict[tuple[str, str], int]:
    return {
        (site.name, kind): count
        for site in demo.sites
        for kind, count in report_entries(site.folder / "gate" / "ledger").items()
    }


def _stored(demo: Demo) -> dict[tuple[str, str], int]:
    """Messages by site and kind; a message of several reports is a row each, named by it and a number."""
    message = func.substr(StoredReport.message_id, 1, ULID_LENGTH)
    query = select(StoredReport.site, StoredReport.kind, func.count(message.distinct())).group_by(
        StoredReport.site, StoredReport.kind
    )
    with create_engine(sqlite_url(DataFolder(demo.cloud_folder).store)).connect() as connection:
        return {(site, kind): count for site, kind, count in connection.execute(query)}
