"""The lists of the API on every database: pages follow one another without a gap, and filters limit them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from cloud.store.access_records import AuditEntry
from cloud.store.audit_store import AuditStore
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import Database
from cloud.store.delivery_records import HazardStatus
from cloud.store.lists.filters import (
    AuditFilter,
    CameraFilter,
    CampaignFilter,
    HazardFilter,
    ImageFilter,
    MisdetectionFilter,
    ModelFilter,
    SiteFilter,
)
from cloud.store.lists.fleet_lists import StatedBudget
from cloud.store.records import CampaignPlan, CampaignState, Release, SyntheticImage
from cloud.store.release_store import ReleaseStore
from cloud.store.report_insertion import Received
from cloud.store.report_records import PrototypeRow
from cloud.store.report_store import ReportStore
from messaging.releases import Role
from messaging.reports import ErrorKind, EvidenceSource, HazardState, Heartbeat
from messaging.taxonomy import Light, Weather
from tests.support.cloud.sample_reports import (
    MINUTE,
    OLD,
    heartbeat,
    message,
    misdetection,
    prototype,
    received,
)
from tests.support.messaging.samples import HAZARD, HEARTBEAT

SITES = ("attic", "harbour", "quay", "tunnel")


@pytest.fixture
def reports(database: Database) -> ReportStore:
    """Four sites with two cameras each, of which the last is revoked and the first sent no heartbeat."""
    store = ReportStore(database)
    for site in SITES:
        store.add_site(site)
    store.put_heartbeats([beat_of(site) for site in SITES[1:]])
    store.group_site("harbour", "port")
    store.group_site("quay", "port")
    store.quarantine_site("quay", True)
    store.revoke_site("tunnel")
    return store


def beat_of(site: str) -> Received:
    """A heartbeat with a camera by day and one by night that is not connected."""
    day = HEARTBEAT.cameras[0].model_copy(update={"camera": "day", "light": Light.DAY})
    night = {"camera": "night", "light": Light.NIGHT, "weather": Weather.RAIN, "connected": False}
    cameras = (day, HEARTBEAT.cameras[0].model_copy(update=night))
    report: Heartbeat = heartbeat(OLD, cameras=cameras)
    return Received(message(report, site), 9)


def pages(read: Callable[[Any, int], Sequence[Any]], place: Callable[[Any], Any]) -> list[Any]:
    """All items, read two by two."""
    found: list[Any] = []
    after = None
    while page := list(read(after, 2)):
        found += page
        after = place(page[-1])
    return found


@pytest.mark.parametrize(
    ("wanted", "sites"),
    [
        (SiteFilter(), ["attic", "harbour", "quay", "tunnel"]),
        (SiteFilter(group="port"), ["harbour", "quay"]),
        (SiteFilter(group=""), ["attic", "tunnel"]),
        (SiteFilter(online=True), ["harbour", "quay"]),
        (SiteFilter(online=False), ["attic", "tunnel"]),
        (SiteFilter(revoked=True), ["tunnel"]),
        (SiteFilter(quarantined=False, online=True), ["harbour"]),
    ],
)
def test_sites_are_limited(reports: ReportStore, wanted: SiteFilter, sites: list[str]) -> None:
    found = pages(
        lambda after, limit: reports.fleet.sites(wanted, online_since=MINUTE, after=after, limit=limit),
        lambda one: one[0].site,
    )
    assert [site.site for site, _ in found] == sites
    assert all((beat is not None) is (site.site in ("harbour", "quay")) for site, beat in found)


def test_sites_that_a_caller_may_not_see_are_in_no_list(reports: ReportStore) -> None:
    seen = frozenset({"quay"})
    assert [site.site for site, _ in reports.fleet.sites(SiteFilter(), seen, online_since=0.0, limit=9)] == [
        "quay"
    ]
    assert {one.site for one, _ in reports.fleet.cameras(CameraFilter(), seen, limit=9)} == {"quay"}
    assert reports.fleet.count(seen, online_since=MINUTE) == (1, 1)
    assert reports.fleet.count(online_since=MINUTE) == (4, 2)
    assert [one.site for one in reports.fleet.running(seen)] == ["quay"]


@pytest.mark.parametrize(
    ("wanted", "cameras"),
    [
        (CameraFilter(), ["harbour/day", "harbour/night", "quay/day", "quay/night"]),
        (CameraFilter(site="quay"), ["quay/day", "quay/night"]),
        (CameraFilter(group="port", light=Light.NIGHT), ["harbour/night", "quay/night"]),
        (CameraFilter(weather=Weather.RAIN, connected=False), ["harbour/night", "quay/night"]),
        (CameraFilter(connected=True), ["harbour/day", "quay/day"]),
        (CameraFilter(site="tunnel"), []),
    ],
)
def test_cameras_are_limited(reports: ReportStore, wanted: CameraFilter, cameras: list[str]) -> None:
    found = pages(
        lambda after, limit: reports.fleet.cameras(wanted, after=after, limit=limit),
        lambda one: (one[0].site, one[1]),
    )
    assert [f"{one.site}/{one.health.camera}" for one, _ in found] == cameras


@pytest.mark.parametrize(
    ("wanted", "events"),
    [
        (HazardFilter(), "DCBA"),
        (HazardFilter(site="quay"), "B"),
        (HazardFilter(group="port"), "DCBA"),
        (HazardFilter(group="none"), ""),
        (HazardFilter(camera="gate"), "C"),
        (HazardFilter(class_name="smoke"), "D"),
        (HazardFilter(severity=5), "C"),
        (HazardFilter(state=HazardState.CLOSED), "A"),
        (HazardFilter(status=HazardStatus.ACKNOWLEDGED), "B"),
        (HazardFilter(status=HazardStatus.OPEN), "DCA"),
        (HazardFilter(since=MINUTE + 2, until=MINUTE + 4), "DC"),
    ],
)
def test_hazards_are_limited(reports: ReportStore, wanted: HazardFilter, events: str) -> None:
    changes: dict[str, dict[str, Any]] = {
        "A": {"state": HazardState.CLOSED},
        "B": {},
        "C": {"severity": 5, "camera": "gate"},
        "D": {"class_name": "smoke"},
    }
    for number, (letter, change) in enumerate(changes.items()):
        times = {
            "event": f"0{letter:0>25}",
            "started_at_utc": MINUTE + number,
            "at_utc": MINUTE + 60,
            "severity": 3,
        }
        hazard = HAZARD.model_copy(update={"state": HazardState.OPENED, **times, **change})
        reports.insert([received(hazard, "quay" if letter == "B" else "harbour")])
    reports.hazard_changes.handle("quay", f"0{'B':0>25}", HazardStatus.ACKNOWLEDGED)
    found = pages(
        lambda after, limit: reports.lists.hazards(wanted, after=after, limit=limit),
        lambda row: (row.started_at_utc, row.event),
    )
    assert "".join(row.event[-1] for row in found) == events


def test_a_camera_has_the_budget_of_its_last_prototype(reports: ReportStore) -> None:
    """Also if that arrived before an older one, or its site is quarantined; never that of another camera."""
    for site, camera, minute, spent in (
        ("harbour", "day", MINUTE + 60, 4.0), ("harbour", "day", MINUTE, 2.0),
        ("harbour", "night", MINUTE, 2.0), ("harbour", "night", MINUTE, 3.0),
        ("quay", "day", MINUTE, 7.5), ("attic", "day", MINUTE, 8.0),
    ):  # fmt: skip
        stated = prototype((1, 2), camera=camera, minute_utc=minute, epsilon_spent=spent)
        reports.insert([received(stated, site)])
    assert reports.fleet.budgets(["harbour", "quay"]) == {
        ("harbour", "day"): StatedBudget(4.0, MINUTE + 60),
        ("harbour", "night"): StatedBudget(3.0, MINUTE),
        ("quay", "day"): StatedBudget(7.5, MINUTE),
    }
    assert reports.fleet.budgets([]) == {}


def test_a_prototype_from_before_the_budget_was_stored_states_none(
    reports: ReportStore, database: Database
) -> None:
    reports.insert([received(prototype((1, 2), camera="day"), "quay")])
    with database.writing() as session:
        session.execute(update(PrototypeRow).values(epsilon_spent=None))
    assert reports.fleet.budgets(["quay"]) == {}


@pytest.mark.parametrize(
    ("wanted", "cameras"),
    [
        (MisdetectionFilter(), ["c5", "c4", "c3", "c2", "c1", "c0"]),
        (MisdetectionFilter(site="quay"), ["c1"]),
        (MisdetectionFilter(class_name="smoke"), ["c2"]),
        (MisdetectionFilter(kind=ErrorKind.FALSE_ALARM), ["c3"]),
        (MisdetectionFilter(evidence=EvidenceSource.MOTION), ["c4"]),
        (MisdetectionFilter(condition="dusk-fog"), []),
        (MisdetectionFilter(condition="no such condition"), []),
        (MisdetectionFilter(camera="c5", since=MINUTE, until=MINUTE + 60), ["c5"]),
    ],
)
def test_misdetections_are_limited(
    reports: ReportStore, wanted: MisdetectionFilter, cameras: list[str]
) -> None:
    changes: list[dict[str, Any]] = [
        {"minute_utc": MINUTE - 60}, {}, {"class_name": "smoke"}, {"kind": ErrorKind.FALSE_ALARM},
        {"evidence": EvidenceSource.MOTION}, {},
    ]  # fmt: skip
    for number, change in enumerate(changes):
        report = misdetection(**{"camera": f"c{number}", "minute_utc": MINUTE, **change})
        reports.insert([received(report, "quay" if number == 1 else "harbour")])
    found = pages(
        lambda after, limit: reports.lists.misdetections(wanted, after=after, limit=limit),
        lambda row: (row.minute_utc, row.report_id),
    )
    assert [row.camera for row in found] == cameras


def test_ledger_totals_follow_by_site_and_kind_over_pages(reports: ReportStore) -> None:
    reports.insert([received(misdetection(), "harbour"), received(HAZARD, "harbour")])
    reports.insert([received(misdetection(), "attic")])
    found = pages(
        lambda after, limit: reports.lists.ledger_totals(after=after, limit=limit),
        lambda one: (one.site, one.kind),
    )
    assert [(one.site, one.kind) for one in found] == [
        ("attic", "misdetection"), ("harbour", "hazard"), ("harbour", "heartbeat"),
        ("harbour", "misdetection"), ("quay", "heartbeat"), ("tunnel", "heartbeat"),
    ]  # fmt: skip
    assert {one.site for one in reports.lists.ledger_totals(frozenset({"quay"}), limit=9)} == {"quay"}


def test_groups_of_sites_follow_by_name_with_the_sites_that_are_visible(reports: ReportStore) -> None:
    for site, group in (("harbour", "water"), ("quay", "water"), ("tunnel", "below"), ("attic", "")):
        reports.add_site(site)
        reports.group_site(site, group)
    found = pages(lambda after, limit: reports.fleet.groups(after=after, limit=limit), lambda one: one[0])
    assert found == [("below", 1), ("water", 2)]
    assert reports.fleet.groups(frozenset({"quay", "attic"}), limit=9) == [("water", 1)]


def test_campaigns_and_their_images_are_limited(database: Database) -> None:
    store = CampaignStore(database)
    for number, mode in enumerate(("fire.day-clear.missed", "fire.day-clear.missed", "a_b.day-rain.missed")):
        store.create(f"C{number}", CampaignPlan((mode,), 5), started_by="me", state=CampaignState.DONE)
    store.set_state("C1", CampaignState.FAILED)

    def listed(wanted: CampaignFilter) -> list[str]:
        return [one.id for one in store.lists.campaigns(wanted, limit=9)]

    assert listed(CampaignFilter()) == ["C2", "C1", "C0"]
    assert listed(CampaignFilter(state=CampaignState.FAILED)) == ["C1"]
    assert listed(CampaignFilter(mode="fire.day-clear.missed")) == ["C1", "C0"]
    assert listed(CampaignFilter(mode="fire.day-clear")) == []
    assert listed(CampaignFilter(mode="a%")) == []
    assert listed(CampaignFilter(since=MINUTE + 1)) == []
    assert [one.id for one in store.lists.campaigns(CampaignFilter(), after="C2", limit=1)] == ["C1"]
    image = SyntheticImage("C0", "a", "m", True)
    refused = replace(image, name="b", kept=False, reason="blurred")
    store.put_images([image, refused, replace(refused, name="c", mode="n")])
    for wanted, names in (
        (ImageFilter(), "abc"),
        (ImageFilter(kept=True), "a"),
        (ImageFilter(reason="blurred"), "bc"),
        (ImageFilter(mode="n", kept=False), "c"),
    ):
        assert "".join(one.name for one in store.lists.images("C0", wanted, limit=9)) == names
        newest = store.lists.images("C0", wanted, newest=True, limit=9)
        assert "".join(one.name for one in newest) == names[::-1]
    last = store.lists.images("C0", ImageFilter(), newest=True, limit=1)[0].id
    assert [
        one.name for one in store.lists.images("C0", ImageFilter(), newest=True, after=last, limit=1)
    ] == ["b"]
    assert store.lists.image_counts(["C0", "C1"]) == {"C0": {(True, ""): 1, (False, "blurred"): 2}}
    assert store.lists.image_counts_of_modes(["m", "n", "none"]) == {
        "m": {(True, ""): 1, (False, "blurred"): 1}, "n": {(False, "blurred"): 1}
    }  # fmt: skip


def test_images_are_found_by_the_class_of_their_boxes(database: Database) -> None:
    store = CampaignStore(database)
    store.create("C1", CampaignPlan(("m",), 5), started_by="me", state=CampaignState.DONE)
    named = (("fire", 'not "class":"smoke"'), ("smoke", ""), ("Öl_%", ""))
    for number, (name, prompt) in enumerate(named):
        hazards = [{"box": [1, 2, 3, 4], "class": name, "prompt": prompt}, {"class": "flood", "prompt": ""}]
        provenance = {"hazards": hazards[: 2 - number % 2], "width": 9}
        store.put_images([SyntheticImage("C1", str(number), "m", number < 2, provenance=provenance)])
    for wanted, names in (
        (ImageFilter(label="fire"), "0"),
        (ImageFilter(label="smoke"), "1"),
        (ImageFilter(label="Öl_%"), "2"),
        (ImageFilter(label="flood"), "02"),
        (ImageFilter(label="flood", kept=True), "0"),
        (ImageFilter(label="fir_"), ""),
        (ImageFilter(label="fir"), ""),
        (ImageFilter(label="Fire"), ""),
        (ImageFilter(label="Öl_"), ""),
    ):
        assert "".join(one.name for one in store.lists.images("C1", wanted, limit=9)) == names, wanted


def test_releases_are_read_page_by_page(database: Database) -> None:
    store = ReleaseStore(database)
    release = Release("1" * 64, "trial", "model", 1, 9, None, None, {}, MINUTE)
    teacher = replace(release, digest="2" * 64, version=2, role=Role.TEACHER, channel="service")
    for one in (release, replace(release, channel="service"), teacher):
        store.put_release(one)
    found = pages(
        lambda after, limit: store.page(ModelFilter(), after=after, limit=limit),
        lambda one: (one.version, one.channel, one.digest),
    )
    assert [(one.version, one.channel) for one in found] == [(2, "service"), (1, "service"), (1, "trial")]
    assert [one.version for one in store.page(ModelFilter(role=Role.TEACHER), limit=9)] == [2]
    assert [one.version for one in store.page(ModelFilter(channel="trial"), limit=9)] == [1]


def test_the_audit_log_is_limited_to_a_user_an_object_and_a_period(database: Database) -> None:
    store = AuditStore(database)
    for number, user in enumerate(("ann", "bob")):
        store.add(AuditEntry(MINUTE + number, user, "::1", "POST /x", f"site s{number}", 200))
    for wanted, users in (
        (AuditFilter(), ["bob", "ann"]),
        (AuditFilter(user="ann"), ["ann"]),
        (AuditFilter(object="site s1"), ["bob"]),
        (AuditFilter(since=MINUTE, until=MINUTE + 1), ["ann"]),
    ):
        assert [entry.user for entry in store.entries(wanted, limit=9)] == users
