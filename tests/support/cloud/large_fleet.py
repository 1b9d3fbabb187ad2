"""A seeded fleet as large as the lists of the API are measured with, written to the database in bulk.

The rows are as sites would have caused them: a camera misses the same few things again and again.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import insert

from cloud.store.access_records import AuditEntry
from cloud.store.database import Database
from cloud.store.delivery_records import HazardHandling, HazardStatus
from cloud.store.mapping import Record
from cloud.store.records import Campaign, CampaignPlan, CampaignState, Release, Rollout, SyntheticImage
from cloud.store.report_records import HazardRow, MisdetectionRow, Site, SiteHeartbeat, StoredReport
from messaging.reports import ErrorKind, EvidenceSource, HazardState
from messaging.taxonomy import Condition, Light, RegionBin, SizeBin, Weather
from tests.support.cloud.sample_reports import NEW, OLD, heartbeat
from tests.support.messaging.samples import HEARTBEAT

CLASSES = ("fire", "smoke", "pothole", "garbage", "flood", "stopped_vehicle", "fallen_person", "unknown")
CONDITIONS = [
    Condition(light, weather) for light in (Light.DAY, Light.NIGHT) for weather in tuple(Weather)[:4]
]
WINDOW_S = 60 * 86_400
BOX, PROMPT = (0.5, 0.5, 0.1, 0.1), "a street at night, seen by a camera on a pole"
REASONS = ("blurred", "duplicate", "wrong_content")
ROWS_AT_A_TIME = 20_000


@dataclass(frozen=True)
class FleetSize:
    """How many of each are made."""

    sites: int = 1000
    cameras: int = 10
    misdetections: int = 1_000_000
    hazards: int = 100_000
    images: int = 100_000
    campaigns: int = 200


def fill(database: Database, size: FleetSize, *, now: int, seed: int = 7) -> None:
    """Write the fleet; the same seed gives the same rows."""
    rng = random.Random(seed)
    sites = [f"site-{number:04d}" for number in range(size.sites)]
    for record, rows in (
        (Site, _sites(sites, now)),
        (SiteHeartbeat, _heartbeats(sites, size, now)),
        (StoredReport, _reports(sites, size, now)),
        (MisdetectionRow, _misdetections(sites, size, now, rng)),
        (HazardRow, _hazards(sites, size, now, rng)),
        (HazardHandling, _handled(sites, size, now)),
        (Campaign, _campaigns(size, now)),
        (SyntheticImage, _images(size, rng)),
        (Release, _releases(now)),
        (Rollout, _rollouts(sites, now)),
        (AuditEntry, _audit(now)),
    ):
        _write(database, record, rows)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def _write(database: Database, record: type[Record], rows: Iterable[dict[str, Any]]) -> None:
    left = iter(rows)
    while batch := list(islice(left, ROWS_AT_A_TIME)):
        with database.writing() as session:
            session.execute(insert(record), batch)


def _sites(sites: list[str], now: int) -> Iterator[dict[str, Any]]:
    for number, site in enumerate(sites):
        yield Site(
            site, now - WINDOW_S, quarantined=number % 97 == 5, site_group=f"group-{number % 20}"
        ).values()


def _heartbeats(sites: list[str], size: FleetSize, now: int) -> Iterator[dict[str, Any]]:
    for number, site in enumerate(sites):
        cameras = tuple(
            HEARTBEAT.cameras[0].model_copy(
                update={
                    "camera": f"camera-{n}",
                    "light": CONDITIONS[n % 8].light,
                    "connected": n + number % 50 != 0,
                }
            )
            for n in range(size.cameras)
        )
        beat = heartbeat(OLD if number % 3 else NEW, cameras=cameras, at_utc=now)
        received = now if number % 10 else now - 600
        yield SiteHeartbeat(site, f"H{number}", received, 400, beat, now).values()


def _reports(sites: list[str], size: FleetSize, now: int) -> Iterator[dict[str, Any]]:
    for number in range(size.misdetections):
        report = StoredReport(sites[number % len(sites)], f"M{number}", "misdetection", now, now, 60)
        yield {"id": number + 1, **report.values()}


def _misdetections(
    sites: list[str], size: FleetSize, now: int, rng: random.Random
) -> Iterator[dict[str, Any]]:
    """A camera has three modes, each with one kind of box that two sources report."""
    sources, boxes = (
        tuple(EvidenceSource)[:4],
        tuple((s, r) for s in tuple(SizeBin)[:3] for r in tuple(RegionBin)[:3]),
    )
    for number in range(size.misdetections):
        place = number % len(sites)
        camera = number // len(sites) % size.cameras
        of_camera = (place * size.cameras + camera) % 7
        mode = rng.randrange(3)
        box_size, region = boxes[(of_camera + mode) % len(boxes)]
        yield {
            "report_id": number + 1, "site": sites[place], "camera": f"camera-{camera}",
            "kind": ErrorKind.MISSED if mode else ErrorKind.FALSE_ALARM,
            "class_name": CLASSES[(of_camera + mode) % len(CLASSES)],
            "condition": CONDITIONS[(of_camera * 3 + mode) % len(CONDITIONS)], "box": BOX,
            "size": box_size, "region": region, "evidence": sources[(mode + number % 2) % len(sources)],
            "probability": 0.8, "minute_utc": (now - rng.randrange(WINDOW_S)) // 60 * 60,
            "model_digest": NEW if place % 3 == 0 else OLD, "sharpness": "sharp", "occlusion": "none",
        }  # fmt: skip


def _hazards(sites: list[str], size: FleetSize, now: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(size.hazards):
        started = now - rng.randrange(WINDOW_S)
        yield HazardRow(
            sites[number % len(sites)], f"{number:026d}", f"camera-{number % size.cameras}",
            CLASSES[number % 7], HazardState.CLOSED if number % 5 else HazardState.OPENED,
            CONDITIONS[number % 8], None, 1 + number % 5, 0.9, BOX, started, started + 30, OLD,
        ).values()  # fmt: skip


def _handled(sites: list[str], size: FleetSize, now: int) -> Iterator[dict[str, Any]]:
    statuses = (HazardStatus.ACKNOWLEDGED, HazardStatus.RESOLVED, HazardStatus.FALSE_ALARM)
    for number in range(0, size.hazards, 3):
        yield HazardHandling(sites[number % len(sites)], f"{number:026d}", statuses[number % 2], now).values()


def _campaigns(size: FleetSize, now: int) -> Iterator[dict[str, Any]]:
    for number in range(size.campaigns):
        plan = CampaignPlan((f"{CLASSES[number % 7]}.night-clear.missed",), 500, number, OLD)
        made = now - (size.campaigns - number) * 3600
        yield Campaign(
            f"C{number:025d}", CampaignState.DONE, plan, "operator", "", 1, made, made, made + 900
        ).values()


def _images(size: FleetSize, rng: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(size.images):
        kept = rng.random() < 0.75
        hazards = [{"class": CLASSES[number % 7], "box": BOX, "prompt": PROMPT, "seed": number}]
        yield SyntheticImage(
            f"C{number % size.campaigns:025d}", f"image-{number:06d}",
            f"{CLASSES[number % 7]}.night-clear.missed", kept, "" if kept else REASONS[number % 3],
            provenance={"seed": number, "hazards": hazards if kept else []},
        ).values()  # fmt: skip


def _releases(now: int) -> Iterator[dict[str, Any]]:
    for number in range(50):
        digest = (OLD, NEW)[number] if number < 2 else f"{number:064x}"
        yield Release(
            digest, "service", "model", number + 1, 9_000_000, None, None, {"class_names": CLASSES[:7]}, now
        ).values()


def _rollouts(sites: list[str], now: int) -> Iterator[dict[str, Any]]:
    states = [{"site": site, "group": "all", "state": "in_service", "reason": ""} for site in sites]
    for number in range(60):
        yield Rollout(
            f"R{number:025d}", None, NEW, OLD, "done" if number % 4 else "halted", False,
            {"sites": states, "channel": "service"}, "", now - 9000 + number, now,
        ).values()  # fmt: skip


def _audit(now: int) -> Iterator[dict[str, Any]]:
    for number in range(20_000):
        yield AuditEntry(
            now - 20_000 + number,
            f"user-{number % 30}",
            "127.0.0.1",
            "POST /campaigns",
            f"campaign {number % 200}",
            200,
        ).values()
