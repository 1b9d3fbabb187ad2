"""A campaign that is killed at a given point and continued, and the hash of everything that it made."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from cloud.settings import DataFolder
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import open_database
from cloud.store.records import CampaignStage
from cloud.store.release_store import ReleaseStore
from messaging.blobs import digest_of
from messaging.runtime.quoting import sqlite_url
from messaging.trust.signing import Repository
from synth.selection.labelled_set import LabelledSet
from tests.support.faults.campaign_program import CAMPAIGN
from tests.support.faults.toy_training import CARELESS, WEIGHTS

ROOT = Path(__file__).parents[3]
WITHIN_S = 400.0
_OPENING = threading.Lock()


def run_program(data: Path, point: str | None, *, careless: bool = False) -> int:
    """Run the campaign of a folder to its end or to a point; the exit code, negative for a signal."""
    command = [sys.executable, "-m", "tests.support.faults.campaign_program", str(data)]
    environment = {**os.environ, **({CARELESS: "1"} if careless else {})}
    data.mkdir(parents=True, exist_ok=True)
    with (data.parent / f"{data.name}.log").open("ab") as log:
        return subprocess.run(
            [*command, *([point] if point else [])],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            timeout=WITHIN_S,
            check=False,
        ).returncode


def killed_and_continued(data: Path, point: str, *, careless: bool = False) -> dict[str, Any]:
    """The result of a campaign that was killed at a point and continued by the next start."""
    code = run_program(data, point, careless=careless)
    assert code == -signal.SIGKILL, f"{point} was not reached; the program ended with {code}"
    code = run_program(data, None, careless=careless)
    assert code == 0, f"after a kill at {point} the program ended with {code}"
    return result(data)


def result(data: Path) -> dict[str, Any]:
    """What a campaign made: rows of the store, files with their digests, signed releases.

    Times, numbers of runs and attempts, keys and signatures are not in it: they differ in any two runs.
    """
    folder = DataFolder(data)
    with _OPENING:  # migrations are no thread's own
        database = open_database(sqlite_url(folder.store))
    try:
        store, releases = CampaignStore(database), ReleaseStore(database)
        campaign, stages = store.get(CAMPAIGN), store.stages(CAMPAIGN)
        outputs = {row.stage: row.output for row in stages}
        sets = [LabelledSet.open(data / one["folder"]) for one in outputs[CampaignStage.FILTER]["sets"]]
        trained = next(data.rglob(WEIGHTS))
        manifests = Repository(folder.releases).releases().values()
        return {
            "state": [campaign.state, campaign.reason],
            "stages": [
                [row.stage, row.state, row.input_digest, row.note, row.output, row.metrics] for row in stages
            ],
            "images": sorted(
                [row.name, row.mode, row.kept, row.reason, row.thumbnail, row.provenance]
                for row in store.images(CAMPAIGN, limit=10_000)
            ),
            "thumbnails": sorted(
                [path.name, digest_of(path.read_bytes())] for path in data.rglob("thumbnails/*.jpg")
            ),
            "evaluations": sorted(
                [row.model_digest, row.role, row.class_name, row.condition, row.metrics]
                for row in store.evaluations(CAMPAIGN)
            ),
            "sets": [one.digest for one in sets],
            "weights": digest_of(trained.read_bytes()),
            "manifests": sorted(
                (one.model_dump(mode="json") for one in manifests), key=lambda m: m["digest"]
            ),
            "releases": sorted(
                [one.digest, one.channel, one.version, one.campaign or ""] for one in releases.releases()
            ),
        }
    finally:
        database.close()


def result_hash(found: dict[str, Any]) -> str:
    """sha256 of a result."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Which parts of two results are not equal."""
    return [name for name in one if json.dumps(one[name]) != json.dumps(other[name])]


def undisturbed(data: Path) -> dict[str, Any]:
    """The result of a campaign that nothing disturbs."""
    code = run_program(data, None)
    assert code == 0, f"the undisturbed campaign ended with {code}"
    return result(data)


def remove(data: Path) -> None:
    """Free the room of a campaign whose result was read."""
    shutil.rmtree(data)
