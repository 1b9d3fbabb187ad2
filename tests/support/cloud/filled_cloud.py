"""A cloud's real REST API over real stores in SQLite, filled through the stores, on a free port."""

import hashlib
import json
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import uvicorn
from ulid import ULID

from cloud.access.accounts import Accounts
from cloud.access.refused_credentials import RefusedCredentials
from cloud.api.app import build_api
from cloud.api.auth import read_or_make_token
from cloud.api.event_feed import EventFeed
from cloud.api.services import Services
from cloud.campaigns.image_stages import kept_image, refused_image
from cloud.campaigns.requirements import CampaignRequirements
from cloud.campaigns.workflow import Campaigns
from cloud.class_register import ClassRegister
from cloud.data.datasets import DatasetRegister
from cloud.detector.model_files import ModelFiles
from cloud.failure_modes.register import ModeRegister
from cloud.failure_modes.verdict_requests import VerdictRequests
from cloud.fleet.dead_letters import DeadLetters
from cloud.fleet.report_checks import ReportChecks
from cloud.generator_samples import GeneratorSamples
from cloud.integrations.integrations import Integrations
from cloud.metrics import CloudMetrics
from cloud.settings import CloudSettings
from cloud.store.audit_store import AuditStore
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import open_database
from cloud.store.delivery_store import DeliveryStore
from cloud.store.history.change_marks import ChangeMarks
from cloud.store.history.stores import HistoryStores
from cloud.store.ledger_store import LedgerStore
from cloud.store.mode_store import ModeStore
from cloud.store.records import (
    CampaignPlan,
    CampaignStage,
    CampaignState,
    EvaluationRow,
    Release,
    Rollout,
    RolloutEvent,
    StageState,
    SyntheticImage,
)
from cloud.store.release_store import ReleaseStore
from cloud.store.report_insertion import Received
from cloud.store.report_store import ReportStore
from cloud.store.user_store import UserStore
from messaging.intervals import wilson
from messaging.releases import Channel
from messaging.reports import BoxGeometry, ConditionTags, EvidenceSource, HazardEvent, HazardState
from messaging.runtime.quoting import sqlite_url
from messaging.taxonomy import Light, RegionBin, SizeBin, Weather
from messaging.trust.verdict_requests import OpenRequests
from messaging.wire_format.codec import Message, encode
from synth.planning.patches import Box
from synth.progress import small_jpeg
from synth.selection.filters import Refusal
from synth.selection.labelled_set import write_refused
from tests.support.cloud.rollout_fleet import FleetSites
from tests.support.cloud.sample_reports import (
    NEW,
    OLD,
    camera_health,
    guards_of_rollout,
    heartbeat,
    misdetection,
    prototype,
    received,
    tally,
)
from tests.support.fake_detector import describe
from tests.support.memory_tickets import MemoryTickets
from tests.support.synth.rows import hazard, image_row, refused_row
from tests.support.waiting import wait_until

NIGHT = ConditionTags(light=Light.NIGHT, weather=Weather.CLEAR, size=SizeBin.SMALL, region=RegionBin.BOTTOM)
RAIN = ConditionTags(light=Light.DAY, weather=Weather.RAIN, size=SizeBin.MEDIUM, region=RegionBin.MIDDLE)
FOG = ConditionTags(light=Light.DAY, weather=Weather.FOG, size=SizeBin.TINY, region=RegionBin.TOP)
CAMERAS = (("north", "bridge", NIGHT), ("north", "market", RAIN), ("south", "harbour", FOG))
POSITIONS = {"north": (13.404, 52.520), "north/market": (13.411, 52.523), "south": (13.389, 52.508)}
ONLINE_S = 600.0
"""Sites may be asked for so long after `beat`, however slow the machine is."""
FIRE = "fire.night-clear.missed"
REASONS = (Refusal.NOT_CONFIRMED, Refusal.NOT_CONFIRMED, Refusal.DUPLICATE, Refusal.WRONG_CONTENT)


class FilledCloud:
    """The API of one data folder; `fill` stores a history, the other methods add to it."""

    def __init__(self, folder: Path, store_url: str | None = None, *, placed: bool = True) -> None:
        settings = CloudSettings(data=folder, positions=POSITIONS if placed else {})
        self.folder = settings.folder
        folder.mkdir(parents=True, exist_ok=True)
        self.database = open_database(store_url or sqlite_url(self.folder.store))
        self.reports, self.rows = ReportStore(self.database), CampaignStore(self.database)
        releases, metrics, audit = ReleaseStore(self.database), CloudMetrics(), AuditStore(self.database)
        token = read_or_make_token(self.folder.token)
        self.refusals = RefusedCredentials(audit, metrics, time.time)
        self.accounts = Accounts(UserStore(self.database), token, time.monotonic, self.refusals.note)
        self.asked: list[OpenRequests] = []
        classes = ClassRegister(settings)
        datasets, histories = DatasetRegister(self.folder.datasets), HistoryStores.of(self.database)
        models, modes = ModelFiles(self.folder.models), ModeStore(self.database)
        register = ModeRegister(
            self.reports, modes, releases, settings.failure_modes, lambda: classes.taxonomy
        )
        services = Services(
            settings=settings,
            reports=self.reports,
            ledgers=LedgerStore(self.database),
            campaign_rows=self.rows,
            releases=releases,
            register=register,
            campaigns=Campaigns(self.rows, releases, None, self.folder, metrics),  # type: ignore[arg-type]  # never run
            rollouts=FleetSites(("north", "south")),  # type: ignore[arg-type]  # the page only reads
            teachers=None,  # type: ignore[arg-type]  # likewise
            tickets=MemoryTickets(),
            datasets=datasets,
            requirements=CampaignRequirements(settings, register, datasets, models, self.reports).of,
            metrics=metrics,
            classes=classes,
            dead_letters=DeadLetters(
                self.reports,
                ReportChecks(self.reports, releases, lambda: classes.taxonomy, max_age_s=1e9),
                metrics,
            ),
            accounts=self.accounts,
            audit=audit,
            refusals=self.refusals,
            histories=histories,
            feed=EventFeed(ChangeMarks(self.database, online_s=60).read),
            integrations=Integrations(settings, DeliveryStore(self.database), metrics),
            requests=VerdictRequests(
                self.reports,
                histories.requests,
                lambda: classes.taxonomy,
                self.asked.append,
                online_s=ONLINE_S,
            ),
            samples=GeneratorSamples(settings, register, self.rows, datasets, time.time),
        )
        self.services, self.token, self.port = services, token, 0
        self.app = build_api(services)
        self._server, self._thread = self._new_server()
        self.campaign = ""

    def _new_server(self) -> tuple[uvicorn.Server, threading.Thread]:
        config = uvicorn.Config(self.app, port=self.port, log_config=None, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        return server, threading.Thread(target=server.run, daemon=True)

    def start(self) -> None:
        """Start the server, again at the port of before, and write the address where clients read it."""
        if self.port:
            self._server, self._thread = self._new_server()
        self._thread.start()
        wait_until(lambda: self._server.started)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        self.folder.address.write_text(json.dumps({"url": f"http://127.0.0.1:{self.port}"}))

    def stop(self) -> None:
        """Stop like a cloud that was killed: the address file is left."""
        self._server.should_exit = True
        self._thread.join(10.0)

    def close(self) -> None:
        """Stop and close the database."""
        self.stop()
        self.close_store()

    def close_store(self) -> None:
        """Close the database of a cloud that was not started."""
        self.database.close()

    # -- what happens --------------------------------------------------------------------------------

    def beat(self, *, unsent: int = 0) -> None:
        """Store a heartbeat of both sites."""
        for site in ("north", "south"):
            cameras = tuple(camera_health(name, tags) for s, name, tags in CAMERAS if s == site)
            beat = heartbeat(
                OLD,
                candidate_digest=NEW if site == "north" else None,
                teacher_digest="7" * 64,
                teacher_fraction=0.25,
                cameras=cameras,
                outbox_messages=unsent,
                epsilon_spent=2.0,
                at_utc=int(time.time()),
            )
            sent = Message(str(ULID()), site, int(time.time()), beat)
            self.reports.put_heartbeats([Received(sent, len(encode(sent)))])

    def hazard(self, class_name: str, severity: int, *, began_s: float, closed: bool = False) -> None:
        """A hazard at the harbour or the market."""
        site, camera, tags = CAMERAS[severity % 3]
        started = int(time.time() - began_s)
        event = HazardEvent(
            event=str(ULID()),
            camera=camera,
            class_name=class_name,
            state=HazardState.CLOSED if closed else HazardState.OPENED,
            severity=severity,
            confidence=0.5 + severity / 12,
            box=BoxGeometry(cx=0.4, cy=0.6, w=0.2, h=0.1),
            tags=tags,
            zone="quay-2" if camera == "harbour" else None,
            started_at_utc=started,
            at_utc=started + 5,
            model_digest=OLD,
        )
        self.reports.insert([received(event, site)])

    def misses(
        self, name: str, place: int, counts: dict[EvidenceSource, int], *, tags: ConditionTags | None = None
    ) -> None:
        """Misdetections of one class by one camera, under its usual condition or the one given."""
        site, camera, usual = CAMERAS[place]
        now = int(time.time())
        minute, midnight = now // 60 * 60, now // 86_400 * 86_400
        self.reports.insert(
            [
                received(
                    misdetection(
                        camera=camera,
                        class_name=name,
                        tags=tags or usual,
                        evidence=source,
                        minute_utc=max(minute - 60 * (n % 40), midnight),  # all on one day
                    ),
                    site,
                )
                for source, count in counts.items()
                for n in range(count)
            ]
        )

    def recall(self, class_name: str, place: int, detected: int, supported: int) -> None:
        """A tally of tracks: supported by the teacher, and detected."""
        site, camera, tags = CAMERAS[place]
        report = tally(
            camera=camera, class_name=class_name, light=tags.light, weather=tags.weather,
            supported=supported, detected=detected, minute_utc=int(time.time()) // 60 * 60,
        )  # fmt: skip
        self.reports.insert([received(report, site)])

    # -- a past --------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Two sites, three cameras, five failure modes, a campaign in its training."""
        self.beat()
        for n, (class_name, severity, closed) in enumerate(
            (("fire", 5, False), ("flood", 4, False), ("pothole", 2, True), ("fallen_person", 5, True),
             ("garbage", 1, True), ("smoke", 4, True), ("stopped_vehicle", 3, True))
        ):  # fmt: skip
            self.hazard(class_name, severity, began_s=40 + 400 * n, closed=closed)
        source = EvidenceSource
        self.misses("fire", 0, {source.TEACHER: 61, source.TRACK_GAP: 22, source.MOTION: 9})
        self.misses("pothole", 0, {source.TEACHER: 74, source.VIEW_DISAGREEMENT: 18})
        self.misses("garbage", 1, {source.TEACHER: 33, source.LOW_MARGIN: 12})
        self.misses("smoke", 2, {source.TEACHER: 41, source.TRACK_GAP: 8})
        self.misses("unknown", 2, {source.MOTION: 17})
        for class_name, place, detected, supported in (
            ("fire", 0, 31, 92), ("pothole", 0, 12, 88), ("garbage", 1, 41, 64), ("smoke", 2, 58, 71)
        ):  # fmt: skip
            self.recall(class_name, place, detected, supported)
        vector = tuple(range(-32, 32))
        for site, camera, tags in CAMERAS:
            self.reports.insert(
                [received(prototype(vector, camera=camera, tags=tags, class_name="fire"), site)]
            )
        self._campaign()

    def _campaign(self) -> None:
        self.campaign = str(ULID())
        modes = (FIRE, "pothole.night-clear.missed")
        self.rows.create(self.campaign, CampaignPlan(modes, 60, 7, OLD), started_by="operator")
        self.rows.set_state(self.campaign, CampaignState.RUNNING)
        for stage in (CampaignStage.PLAN, CampaignStage.SYNTHESISE, CampaignStage.FILTER):
            self.rows.begin_stage(self.campaign, stage, "a")
            self.rows.end_stage(self.campaign, stage, "a", state=StageState.DONE)
        self.generate(60)
        self.rows.begin_stage(self.campaign, CampaignStage.TRAIN, "a")
        self.progress(0.4, "epoch 2 of 5, loss 1.31")

    def generate(self, number: int, *, offset: int = 0) -> None:
        """Synthetic images with files and one label each; every fourth is refused, with a picture."""
        images = []
        for n in range(offset, offset + number):
            images.append(self._refused_image(n) if n % 4 == 3 else self._kept_image(n))
        self.rows.put_images(images)

    def _refused_image(self, n: int) -> SyntheticImage:
        image, _, box = _image(n)
        folder = self.folder.campaign(self.campaign)
        made = refused_row(f"{n:04d}/0", REASONS[n // 4 % 4], prompt="a fire at night", seed=n)
        jpeg = small_jpeg(image, [box], longer_px=320)
        row, _ = write_refused(folder, made, jpeg, order="0" * 64, generator="fake")
        thumbnail, number = (folder / row.picture).relative_to(self.folder.root).as_posix(), n // 4
        names = {"campaign": self.campaign, "mode": FIRE, "class_name": "fire"}
        return refused_image(row, number, thumbnail=thumbnail, **names)

    def _kept_image(self, n: int) -> SyntheticImage:
        """One image of the campaign with its files; every eighth is a near duplicate of the one before."""
        image, empty, box = _image(n)
        folder, name = self.folder.campaign(self.campaign), f"{n:04d}"
        for part, pixels in (("thumbnails", image), ("images", image), ("empty", empty)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / part / f"{name}.jpg"), pixels)
        fingerprint = hashlib.sha256(b"%d" % (n - (n % 8 == 1))).hexdigest()
        made = hazard("fire", box=box, prompt="a fire at night", seed=n, fingerprint=fingerprint)
        thumbnail = (folder / "thumbnails" / f"{name}.jpg").relative_to(self.folder.root).as_posix()
        row = image_row(name, made, width=160, height=90)
        return kept_image(row, campaign=self.campaign, mode=FIRE, thumbnail=thumbnail)

    def progress(self, fraction: float, note: str) -> None:
        """Store the progress of the training."""
        self.rows.report_progress(self.campaign, CampaignStage.TRAIN, "a", progress=fraction, note=note)

    def epochs(self, *losses: float) -> None:
        """Store the mean loss of each epoch that has ended."""
        self.rows.show_metrics(self.campaign, CampaignStage.TRAIN, "a", {"losses": list(losses)})

    def trained(self) -> None:
        """The training has ended and the candidate was compared."""
        self.rows.end_stage(
            self.campaign, CampaignStage.TRAIN, "a", state=StageState.DONE, output={"bundle_digest": NEW}
        )
        self.rows.begin_stage(self.campaign, CampaignStage.EVALUATE, "a")
        cells = (
            ("fire", "day-clear", 0.95, 0.96, 0.91), ("pothole", "day-clear", 0.81, 0.80, 0.86),
            ("garbage", "day-clear", 0.88, 0.83, 0.90), ("smoke", "day-clear", 0.90, 0.91, 0.89),
        )  # fmt: skip
        for class_name, condition, before, after, precision in cells:
            self._compared("holdout", class_name, condition, (before, after), precision)
        self._compared("shadow:north", "fire", "night-clear", (0.34, 0.71), None)
        self._compared("shadow:north", "pothole", "night-clear", (0.14, 0.43), None)

    def released(self) -> None:
        """Two releases, of which the newer one is on its way: it runs at north and failed at south."""
        releases, now = self.services.releases, int(time.time())
        for n, (digest, name) in enumerate(((OLD, "first"), (NEW, "second")), 1):
            description = describe(name).model_dump(mode="json")
            parent = OLD if digest == NEW else None
            releases.put_release(
                Release(digest, Channel.SERVICE, name, n, 4_200_000, parent, None, description, now - 600)
            )
        north = {"site": "north", "group": "canary", "state": "running"}
        south = {"site": "south", "group": "all", "state": "failed", "reason": "worse_in_service"}
        sites = (north, south)
        self.reports.insert([received(one, site) for site, one in guards_of_rollout(NEW, OLD, now)])
        releases.put_rollout(
            Rollout("r1", None, NEW, OLD, "all", False, {"sites": sites}, "", now - 500, now),
            [
                RolloutEvent("r1", now - 500, "ana", "started", "canary north"),
                RolloutEvent("r1", now - 100, "cloud", "entered", "all"),
            ],
        )

    def _compared(
        self, role: str, class_name: str, condition: str, recall: tuple[float, float], precision: float | None
    ) -> None:
        rows = []
        for digest, value in zip((OLD, NEW), recall, strict=True):
            found = round(84 * value)
            if role == "holdout":
                metrics = {
                    "truths": 84, "recall": value, "recall_interval": wilson(found, 84), "ap50": value - 0.02,
                    "precision": precision, "precision_interval": wilson(round(90 * (precision or 0)), 90),
                }  # fmt: skip
            else:
                metrics = {
                    "supported": 84, "detected": found, "recall": value, "unsupported": 4,
                    "camera_hours": 16.0,
                }  # fmt: skip
            rows.append(EvaluationRow(self.campaign, digest, role, class_name, condition, metrics))
        self.rows.put_evaluations(rows)


def _image(seed: int) -> tuple[np.ndarray, np.ndarray, Box]:
    """A sky and a road with something on it, the same without it, BGR (90, 160, 3), and its box."""
    random = np.random.default_rng(seed)
    empty = np.full((90, 160, 3), random.integers(20, 70, 3), np.uint8)
    empty[50:] = random.integers(40, 90)
    x, y = int(random.integers(20, 140)), int(random.integers(52, 80))
    image = cv2.ellipse(empty.copy(), (x, y), (14, 9), 0, 0, 360, (30, 110, 230), -1)
    noise = random.integers(0, 20, image.shape, np.uint8)
    return cv2.add(image, noise), cv2.add(empty, noise), (x - 14, y - 9, x + 14, y + 9)
