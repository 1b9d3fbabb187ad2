"""`--dry-run`: every command that changes something has it, and with it changes nothing at all."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import click
import pytest
import typer
from sqlalchemy import MetaData, select
from ulid import ULID

from cloud.cli.dry_run import change_each
from cloud.cli.main import app
from cloud.dry_runs import DryRunEnded, dry_run
from cloud.errors import NotKnown, NotNow
from cloud.fleet.rollout_driver import RolloutDriver
from cloud.fleet.teachers import TeacherReleases
from cloud.settings import DataFolder, RolloutSettings
from cloud.store.database import open_database
from cloud.store.records import CampaignPlan, CampaignState, Release
from messaging.access_resources import NewUser, UserRole
from messaging.releases import Channel
from messaging.runtime.quoting import sqlite_url
from messaging.trust.signing import Repository
from messaging.wire_format.codec import Message, encode
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.cloud.sample_reports import NEW, OLD, misdetection
from tests.support.command_line import Completed, blindspot
from tests.support.edge.tiny_bundles import tiny_bundle
from tests.support.fake_detector import describe
from tests.support.trouble.data_folders import LABEL, data_folder

READING = {
    *("audit list", "backup", "cameras list", "cameras show", "campaign duplicates", "campaign evaluations"),
    *("campaign images", "campaign list", "campaign plan", "campaign show", "campaign watch"),
    *("classes check", "classes list", "config schema", "config show", "config validate", "data check"),
    *("data list", "deadletters list", "deadletters show", "doctor", "experiment list", "experiment report"),
    *("failures history", "failures list", "failures prototypes", "failures show", "generator card"),
    *("hazards list", "hazards places", "hazards requests", "integrations deliveries", "integrations list"),
    *("keys show", "ledger days", "ledger export", "ledger show", "ledger verify", "message", "models card"),
    *("models lineage", "models list", "models verify", "overview events", "overview show"),
    *("overview trends", "rollout list", "rollout status", "sites groups", "sites list", "sites show"),
    *("campaign comparison", "cloud settings", "hazards show", "misdetections list", "models show"),
    *("failures cameras", "tokens list", "users list", "users me"),
}
"""Commands that change neither the cloud nor what it keeps; some write a file of what they read."""
PROGRAMS = {"cloud run", "demo", "demo-real", "experiment run", "generator try"}
"""Programs, which run for long or only make files of their own."""
NOT_READY = {
    "campaign samples": "samples are generated when",
    "integrations test": "integration 'city' is not known",
    "integrations replay": "1",
    "deadletters replay": "1",
    "rollout approve": "waits for no approval",
    "rollout resume": "is not paused",
    "tokens revoke": "there is no token 'none'",
}
"""Commands for what the cloud of this test lacks, and why: the dry run is refused as the command would be."""
WITH_A_PLAN = {"campaign start", "sites remove"}
"""Commands whose dry run prints the whole plan."""
BEFORE_A_ROLLOUT = {"rollout start", "teacher publish"}


def _leaves(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    inner: Mapping[str, click.Command] = getattr(command, "commands", {})
    if not inner:
        yield name, command
    for sub in inner:
        yield from _leaves(inner[sub], f"{name} {sub}".strip())


LEAVES = dict(_leaves(typer.main.get_command(app)))
CHANGING = sorted(set(LEAVES) - READING - PROGRAMS)


def _has_option(command: click.Command) -> bool:
    return any("--dry-run" in parameter.opts for parameter in command.params)


@pytest.mark.parametrize("name", CHANGING)
def test_a_command_that_changes_something_has_the_option(name: str) -> None:
    assert _has_option(LEAVES[name])


def test_no_other_command_has_it_and_the_list_names_only_commands() -> None:
    assert set(LEAVES) >= READING | PROGRAMS
    assert [name for name in READING | PROGRAMS if _has_option(LEAVES[name])] == []


class NoPublisher:
    """Notes what would have been sent to the hub."""

    def __init__(self) -> None:
        self.sent: list[object] = []

    def send(self, order: object) -> None:
        self.sent.append(order)


class Fleet:
    """A filled cloud with real rollouts, and something in every state that a command needs."""

    def __init__(self, folder: Path) -> None:
        self.cloud, self.publisher = FilledCloud(folder), NoPublisher()
        cloud, services = self.cloud, self.cloud.services
        cloud.fill()
        settings = RolloutSettings(approval_before=("early", "wide", "all"))
        publisher: object = self.publisher
        self.rollouts = RolloutDriver(cloud.reports, services.releases, publisher, settings)  # type: ignore[arg-type]  # only notes
        teachers = TeacherReleases(
            services.releases,
            publisher,  # type: ignore[arg-type]  # likewise
            self.rollouts,
            lambda: services.classes.taxonomy,
        )
        cloud.app.state.services = replace(services, rollouts=self.rollouts, teachers=teachers)
        for n, digest in enumerate((OLD, NEW), 1):
            described = describe(digest[:4]).model_dump(mode="json")
            now = int(time.time())
            services.releases.put_release(
                Release(digest, Channel.SERVICE, digest[:4], n, 4_200_000, None, None, described, now)
            )
        for name, state in (("failed", CampaignState.FAILED), ("waiting", CampaignState.AWAITING_APPROVAL)):
            cloud.rows.create(name, CampaignPlan(("smoke.day-fog.missed",), 10, 7, OLD), started_by="ana")
            cloud.rows.set_state(name, state)
        for site in ("east", "west"):
            cloud.reports.add_site(site)
        cloud.reports.revoke_site("east")
        cloud.reports.group_site("west", "city")
        cloud.accounts.add_user(NewUser(name="bob", role=UserRole.VIEWER, password="a long password 1"))
        services.tickets.sign_ticket(OLD, (), int(time.time()) + 1000)

    def state(self) -> dict[str, object]:
        """Every row of every table, every file of the data folder but the database's, what was sent."""
        found: dict[str, object] = {"sent": list(self.publisher.sent), "asked": list(self.cloud.asked)}
        tables = MetaData()
        tables.reflect(self.cloud.database.engine)
        with self.cloud.database.reading() as session:
            for name, table in tables.tables.items():
                found[name] = sorted(map(repr, session.execute(select(table)).all()))
        return found | _files(self.cloud.folder.root)


def _files(folder: Path) -> dict[str, object]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("store.")
    }


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    made = Fleet(tmp_path_factory.mktemp("cloud") / "data")
    made.cloud.start()
    yield made
    made.cloud.close()


def _arguments(fleet: Fleet, folder: Path) -> dict[str, tuple[object, ...]]:
    """What each command of a running cloud is started with."""
    bundle = folder / "teacher.onnx"
    bundle.write_bytes(tiny_bundle())
    mode = next(
        one for one in fleet.cloud.services.register.modes() if one.key.class_name == "unknown"
    ).key.id
    site, event = _an_event(fleet)
    return {
        "campaign approve": ("waiting",),
        "campaign cancel": (fleet.cloud.campaign,),
        "campaign resume": ("failed",),
        "campaign review": (fleet.cloud.campaign, 1, "rejected"),
        "campaign samples": ("garbage.day-rain.missed",),
        "campaign start": ("garbage.day-rain.missed",),
        "classes add": ("boat", "--words", "a boat"),
        "deadletters replay": (1,),
        "failures assign": (mode, "smoke"),
        "hazards acknowledge": (site, event),
        "hazards false-alarm": (site, event),
        "hazards missed": ("north", "bridge", "fire"),
        "hazards resolve": (site, event),
        "integrations replay": (1,),
        "integrations test": ("city",),
        "models ticket": (OLD, "--withdraw"),
        "rollout approve": (),
        "rollout pause": (),
        "rollout resume": (),
        "rollout rollback": (),
        "rollout start": (NEW,),
        "rollout stop": (),
        "sites add": ("new",),
        "sites group": ("north", "harbour"),
        "sites rename-group": ("city", "town"),
        "sites quarantine": ("north",),
        "sites release": ("north",),
        "sites remove": ("east",),
        "sites revoke": ("north",),
        "teacher publish": (bundle,),
        "tokens add": ("bob", "scripts"),
        "tokens revoke": ("none",),
        "users add": ("eve", "--role", "viewer", "--password", "a long password 2"),
        "users change": ("bob", "--role", "trainer"),
    }


def _an_event(fleet: Fleet) -> tuple[str, str]:
    first = blindspot("hazards", "list", "--json", "--data", fleet.cloud.folder.root)
    found = json.loads(first.stdout)[0]
    return found["site"], found["event"]


def _dry(fleet: Fleet, name: str, arguments: tuple[object, ...]) -> Completed:
    return blindspot(*name.split(), *arguments, "--data", fleet.cloud.folder.root, "--dry-run")


def test_a_dry_run_of_every_command_of_a_cloud_changes_no_row_and_no_file(
    fleet: Fleet, tmp_path: Path
) -> None:
    arguments = _arguments(fleet, tmp_path)
    local = {name for name in CHANGING if name.startswith(("data", "db", "keys"))}
    local |= {"init", "restore", "classes init", "models import"}
    assert set(arguments) | local == set(CHANGING)
    ordered = sorted(arguments, key=lambda name: name not in BEFORE_A_ROLLOUT)
    for name in ordered:
        if name not in BEFORE_A_ROLLOUT and not fleet.cloud.services.releases.rollouts(limit=1):
            fleet.rollouts.start(NEW, "ana")
        before = fleet.state()
        done = _dry(fleet, name, arguments[name])
        assert fleet.state() == before, name
        if name in NOT_READY:
            assert (done.returncode, NOT_READY[name] in done.stderr) == (1, True), (name, done)
        else:
            assert done.returncode == 0, (name, done)
            assert "would" in done.stdout or name in WITH_A_PLAN, name


def test_a_dry_run_of_several_numbers_checks_all_of_them(fleet: Fleet) -> None:
    now, store = int(time.time()), fleet.cloud.reports
    sent = Message(str(ULID()), "north", now, misdetection(class_name="fire", minute_utc=now - now % 60))
    subject = f"site.north.report.misdetection.{sent.id}"
    store.put_dead_letter(
        subject=subject, message_id=sent.id, reason="class 'fire' is not known", data=encode(sent)
    )
    letter = store.dead_letters()[0].id
    before = fleet.state()
    alone, both = (_dry(fleet, "deadletters replay", given) for given in ((letter,), (letter, 999)))
    assert (alone.returncode, "would give refused messages" in alone.stdout) == (0, True), alone
    assert (both.returncode, both.stdout, "999" in both.stderr) == (1, "", True), both
    assert fleet.state() == before


@pytest.mark.parametrize("outcome", [None, NotNow, NotKnown, DryRunEnded])
def test_of_several_numbers_a_refused_one_stops_no_other(outcome: type[Exception] | None) -> None:
    asked = list[int]()

    def change(number: int) -> None:
        asked.append(number)
        if number == 2 and outcome is not None:
            raise outcome("number 2 is refused")

    ends: dict[object, type[Exception]] = {NotNow: typer.Exit, NotKnown: typer.Exit, DryRunEnded: DryRunEnded}
    with pytest.raises(ends[outcome]) if outcome else nullcontext():
        change_each((1, 2, 3), change)
    assert asked == [1, 2, 3]


@pytest.mark.parametrize("name", ["keys rotate", "keys root propose", "keys root accept", "models import"])
def test_the_help_of_a_costly_command_says_what_its_dry_run_does_not_check(name: str) -> None:
    shown = " ".join(str(LEAVES[name].help).split())
    assert "A dry run" in shown
    assert "does not" in shown


def test_the_sentence_names_the_command_and_what_it_would_do(fleet: Fleet) -> None:
    done = _dry(fleet, "sites revoke", ("north",))
    assert done.stdout == (
        "`blindspot sites revoke north` would revoke a site: its credentials and reports are refused and it "
        "gets no more models; nothing was changed\n"
    )
    shown = json.loads(_dry(fleet, "campaign cancel", (fleet.cloud.campaign, "--json")).stdout)
    assert (shown["dry_run"], shown["changes"]) == (True, True)


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("sites quarantine", ("nowhere",), "nowhere"),
        ("campaign resume", ("waiting",), "cannot be resumed"),
        ("failures assign", ("fire.night-clear.missed", "smoke"), "has a class already"),
        ("users add", ("bob", "--role", "viewer", "--password", "a long password 3"), "bob"),
    ],
)
def test_a_dry_run_is_refused_with_the_sentence_of_the_command(
    fleet: Fleet, name: str, arguments: tuple[object, ...], sentence: str
) -> None:
    dry = _dry(fleet, name, arguments)
    real = blindspot(*name.split(), *arguments, "--data", fleet.cloud.folder.root)
    assert (dry.returncode, dry.stdout) == (1, "")
    assert dry.stderr == real.stderr
    assert sentence in dry.stderr


def test_a_transaction_that_changes_no_row_does_not_end_a_dry_run(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path / "store.db"))
    with dry_run(), database.writing() as session:
        session.execute(select(Release))
    with pytest.raises(DryRunEnded), dry_run(), database.writing() as session:
        database.add(session, Release(OLD, Channel.SERVICE, "a", 1, 1, None, None, {}, 1))
    with database.reading() as session:
        assert session.scalars(select(Release)).all() == []
    database.close()


def _local(folder: Path) -> dict[str, tuple[object, ...]]:
    """Commands that need no running cloud, and what they are started with."""
    data = folder / "data"
    Repository(DataFolder(data).releases)
    images = data_folder(folder / "images", {"x_1.jpg": LABEL, "y_1.jpg": ""})
    store = folder / "store"
    assert blindspot("data", "add", images, "--role", "replay", "--data", store).returncode == 0
    assert blindspot("db", "migrate", "--data", store).returncode == 0
    assert blindspot("backup", folder / "backup.tar", "--without-database", "--data", data).returncode == 0
    key, proposal, model = folder / "root.pem", folder / "root.json", folder / "model.onnx"
    assert blindspot("keys", "root", "make", key).returncode == 0
    arguments = ("--root", f"{key}.pub", "--threshold", 1, "--data", data)
    assert blindspot("keys", "root", "propose", proposal, *arguments).returncode == 0
    model.write_bytes(tiny_bundle())
    return {
        "classes init": (folder / "classes.yaml",),
        "data add": (data_folder(folder / "more", {"z_1.jpg": LABEL}), "--role", "replay", "--data", store),
        "data remove": ("images", "--data", store),
        "db migrate": ("--data", store),
        "db renew": ("--data", store),
        "init": (folder / "new", "--host", "hub.example.org"),
        "keys root accept": (proposal, "--data", data),
        "keys root make": (folder / "second.pem",),
        "keys root propose": (folder / "next.json", "--rotate", "targets", "--data", data),
        "keys root sign": (proposal, "--key", key),
        "keys rotate": ("targets", "--data", data),
        "models import": (model, "--data", folder / "fresh"),
        "restore": (folder / "backup.tar", "--data", folder / "restored" / "data"),
    }


def test_a_dry_run_of_every_command_without_a_cloud_changes_no_file(tmp_path: Path) -> None:
    commands = _local(tmp_path)
    before = _whole(tmp_path)
    for name, arguments in commands.items():
        done = blindspot(*name.split(), *arguments, "--dry-run")
        assert (done.returncode, "would" in done.stdout) == (0, True), (name, done)
        assert _whole(tmp_path) == before, name


def _whole(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in folder.rglob("*")
        if not path.name.endswith(("-wal", "-shm"))
    }
