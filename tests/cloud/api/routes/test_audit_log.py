"""Every route that changes something has an entry of its object before and after, without a secret."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

import cloud.generator_samples
from cloud.api.access.permissions import PERMISSIONS, READING
from cloud.errors import StageFailed
from cloud.store.records import CampaignState, Release
from cloud.store.report_insertion import Received
from messaging.access_resources import AuditResource
from messaging.cloud_address import find_cloud
from messaging.releases import Channel
from messaging.reports import EvidenceSource
from messaging.resources import API_PREFIX, TOKEN_HEADER
from messaging.wire_format.codec import Message, encode
from tests.support.cloud.sample_reports import (
    NEW,
    NIGHT_RAIN,
    camera_health,
    heartbeat,
    message,
    misdetection,
    received,
)
from tests.support.edge.tiny_bundles import tiny_bundle
from tests.support.integrations.notices import webhook
from tests.support.two_people import HELD_SEED, SITE, ContestedCloud, contested_cloud, settings_of
from tests.support.waiting import wait_until

PASSWORD, OTHER = "correct horse battery", "another horse battery"
MODE, UNKNOWN = "pothole.night-rain.missed", "unknown.night-rain.missed"
NO_CHANGE = {
    "POST /campaigns/plan": "it starts nothing",
    "POST /sessions": "logins are not in the audit log; those that are refused are",
}
"""Routes without an entry of a change, and why."""
NUMBERS = itertools.count()


@dataclass(frozen=True)
class Sent:
    """A request, the `field` of its object that it changes, and the value of that before and after.

    `becomes` is a tuple if it may be several; without it the value is the answer's, of what was made. `gone`:
    there is none after. `token`: the bearer token, if it is not the data folder's.
    """

    path: str
    field: str
    was: Any
    becomes: Any = None
    body: Any = None
    token: str | None = None
    gone: bool = False

    def expected(self, answer: dict[str, Any]) -> tuple[Any, ...]:
        """What the field may be after the request, which had this answer."""
        if self.gone:
            return (None,)
        if self.becomes is None:
            return (answer.get(self.field, answer),)
        return self.becomes if isinstance(self.becomes, tuple) else (self.becomes,)


class Cloud:
    """The API of a running cloud, and what is to be changed in it."""

    def __init__(self, contested: ContestedCloud) -> None:
        self.contested, self.parts = contested, contested.parts
        self.address = find_cloud(contested.cloud.settings.data)
        self.secrets = {PASSWORD, OTHER, self.address.token}

    def send(self, method: str, path: str, body: Any = None, token: str | None = None) -> httpx.Response:
        """The answer to a request, by default with the data folder's token."""
        given = {"content": body} if isinstance(body, bytes) else {"json": body}
        return httpx.request(
            method,
            f"{self.address.url}{API_PREFIX}{path}",
            headers={TOKEN_HEADER: f"Bearer {token or self.address.token}"},
            timeout=60,
            trust_env=False,
            **given,
        )

    def made(self, path: str, body: Any, token: str | None = None) -> dict[str, Any]:
        """What a request has made for a test."""
        answer = self.send("POST", path, body, token)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def entries(self, action: str) -> list[AuditResource]:
        """The entries of a route, latest first."""
        answer = self.send("GET", "/audit?limit=500").json()
        found = [AuditResource.model_validate(one) for one in answer["items"]]
        return [one for one in found if one.action == action]

    def entry_of(self, action: str, sent: Sent) -> tuple[AuditResource, dict[str, Any]]:
        """The entry of a request, and the answer; the entry is written once the answer was sent."""
        known = len(self.entries(action))
        answer = self.send(action.partition(" ")[0], sent.path, sent.body, sent.token)
        assert answer.is_success, answer.text
        wait_until(lambda: len(self.entries(action)) > known)
        return self.entries(action)[0], answer.json() if answer.content else {}

    def site(self, *, revoked: bool = False, quarantined: bool = False, group: str = "") -> str:
        """A site of its own for one test."""
        name, reports = f"site-{next(NUMBERS)}", self.parts.reports
        reports.add_site(name)
        if quarantined:
            reports.quarantine_site(name, True)
        if group:
            reports.group_site(name, group)
        if revoked:
            reports.insert([received(misdetection(minute_utc=_minute()), name)])
            reports.revoke_site(name)
        return name

    def user(self, **more: Any) -> str:
        name = f"user-{next(NUMBERS)}"
        self.made("/users", {"name": name, "role": "operator", "password": PASSWORD, **more})
        return name

    def session(self, user: str) -> str:
        """The bearer token of a new session."""
        token: str = self.made("/sessions", {"name": user, "password": PASSWORD})["token"]
        self.secrets |= {token, token.rpartition("_")[2]}
        return token

    def evidence(self, class_name: str) -> None:
        """A failure mode with this class."""
        source = EvidenceSource.MOTION if class_name == "unknown" else EvidenceSource.TEACHER
        seen = misdetection(class_name=class_name, evidence=source, minute_utc=_minute())
        self.parts.reports.insert([received(seen, SITE)])
        mode = f"{class_name}.night-rain.missed"
        wait_until(lambda: mode in {one.key.id for one in self.parts.register.modes()})

    def beat(self) -> None:
        """A heartbeat of the site, now, from a camera `north`."""
        beat = heartbeat(None, cameras=(camera_health("north", NIGHT_RAIN),), at_utc=int(time.time()))
        sent = message(beat, SITE, at=int(time.time()))
        self.parts.reports.put_heartbeats([Received(sent, len(encode(sent)))])


def _minute() -> int:
    return int(time.time()) // 60 * 60


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    settings = settings_of(tmp_path_factory.mktemp("cloud"))
    unreachable = webhook("https://127.0.0.1:9/hazards")
    with contested_cloud(settings.model_copy(update={"integrations": (unreachable,)})) as made:
        yield Cloud(made)


def _site_group(city: Cloud) -> Sent:
    site = city.site()
    return Sent(f"/sites/{site}/group", "site_group", "", "harbour", {"group": "harbour"})


def _rename(city: Cloud) -> Sent:
    old, new = f"group-{next(NUMBERS)}", f"group-{next(NUMBERS)}"
    city.site(group=old)
    return Sent(f"/site-groups/{old}/rename", "group", old, new, {"name": new})


def _remove(city: Cloud) -> Sent:
    site = city.site(revoked=True)
    nothing = dict.fromkeys(("reports", "hazards", "verdict_requests", "heartbeats", "dead_letters"), 0)
    return Sent(f"/sites/{site}/remove", "rows", {**nothing, "reports": 1}, nothing, {"reject_images": True})


def _hazard(city: Cloud) -> Sent:
    event = city.contested.hazard()
    body = {"status": "acknowledged"}
    return Sent(f"/hazards/{SITE}/{event}/status", "status", "open", "acknowledged", body)


def _verdict_request(city: Cloud) -> Sent:
    city.beat()
    return Sent(
        f"/sites/{SITE}/verdict-requests", "number", None, body={"camera": "north", "class_name": "fire"}
    )


def _delivery(city: Cloud) -> Sent:
    delivery = city.made("/integrations/city/test", None)
    return Sent(f"/deliveries/{delivery['id']}/replay", "state", "dead", "waiting")


def _dead_letter(city: Cloud) -> Sent:
    now, store = int(time.time()), city.parts.reports
    seen = misdetection(minute_utc=_minute(), model_digest=city.parts.releases.current_service().digest)
    letter: Message = message(seen, SITE, at=now)
    subject = f"site.{SITE}.report.{letter.kind}.{letter.id}"
    store.put_dead_letter(subject=subject, message_id=letter.id, reason="no class", data=encode(letter))
    return Sent(f"/dead-letters/{store.dead_letters()[0].id}/replay", "reason", "no class", gone=True)


def _assign(city: Cloud) -> Sent:
    city.evidence("unknown")
    return Sent(f"/failure-modes/{UNKNOWN}/assign", "assigned_class", None, "fire", {"class_name": "fire"})


def _classes(city: Cloud) -> Sent:
    known = [one.model_dump(mode="json") for one in city.parts.classes.taxonomy.classes]
    more = {"name": "fallen_tree", "severity": 4, "words": ["a fallen tree"]}
    return Sent(
        "/classes", "classes", known, [*known, {**known[-1], **more}], {"classes": [{**known[-1], **more}]}
    )


def _sample(city: Cloud) -> Sent:
    return Sent("/samples", "id", None, body={"mode": "fire.night-clear.missed", "count": 1})


def _campaign(city: Cloud) -> Sent:
    city.evidence("pothole")
    return Sent("/campaigns", "id", None, body={"modes": [MODE], "count": 3, "seed": HELD_SEED})


def _of_campaign(verb: str, was: CampaignState, *becomes: CampaignState) -> Callable[[Cloud], Sent]:
    return lambda city: Sent(
        f"/campaigns/{city.contested.campaign(was, held=True)}/{verb}", "state", was, becomes
    )


def _review(city: Cloud) -> Sent:
    campaign, image = city.contested.image()
    return Sent(
        f"/campaigns/{campaign}/images/{image}/review", "verdict", None, "rejected", {"verdict": "rejected"}
    )


def _digest(city: Cloud) -> str:
    current = city.parts.releases.current_service()
    assert current is not None
    return current.digest


def _ticket(city: Cloud) -> Sent:
    return Sent(f"/models/{_digest(city)}/ticket", "ticket", None, body={"sites": [SITE], "days": 7})


def _withdrawal(city: Cloud) -> Sent:
    path = f"/models/{_digest(city)}/ticket"
    return Sent(path, "ticket", city.made(path, {"sites": [SITE], "days": 7}), gone=True)


def _rollout(city: Cloud) -> Sent:
    city.beat()
    city.parts.releases.put_release(Release(NEW, Channel.SERVICE, "new", 9, 100, None, None, {}, 0))
    return Sent("/rollouts", "id", None, body={"digest": NEW})


def _of_rollout(
    verb: str, field: str, was: Any, becomes: Any, *, awaiting: bool = False, paused: bool = False
) -> Callable[[Cloud], Sent]:
    return lambda city: Sent(
        f"/rollouts/{city.contested.rollout(awaiting=awaiting, paused=paused)}/{verb}", field, was, becomes
    )


def _new_user(city: Cloud) -> Sent:
    name = f"user-{next(NUMBERS)}"
    return Sent("/users", "name", None, name, {"name": name, "role": "viewer", "password": PASSWORD})


def _verified(city: Cloud) -> Sent:
    return Sent(f"/users/user-{next(NUMBERS)}/sessions", "role", None, "viewer", {"create": "viewer"})


def _new_token(city: Cloud) -> Sent:
    return Sent("/tokens", "id", None, body={"label": "ci", "user": city.user()})


def _token(city: Cloud) -> Sent:
    made = city.made("/tokens", {"label": "ci", "user": city.user()})
    city.secrets |= {made["token"], made["token"].rpartition("_")[2]}
    return Sent(f"/tokens/{made['id']}", "label", "ci", gone=True)


def _own_password(city: Cloud) -> Sent:
    body = {"present": PASSWORD, "new": OTHER}
    return Sent("/me/password", "password", None, "changed", body, city.session(city.user()))


def _own_session(city: Cloud) -> Sent:
    return Sent("/me/session", "label", "login", token=city.session(city.user()), gone=True)


AWAITING, CANCELLED, FAILED = CampaignState.AWAITING_APPROVAL, CampaignState.CANCELLED, CampaignState.FAILED
GOING = (CampaignState.QUEUED, CampaignState.RUNNING)
CHANGES: dict[str, Callable[[Cloud], Sent]] = {
    "PUT /sites/{site}": lambda city: Sent(f"/sites/{city.site(revoked=True)}", "revoked", True, False),
    "PUT /sites/{site}/group": _site_group,
    "POST /site-groups/{group}/rename": _rename,
    "POST /sites/{site}/revoke": lambda city: Sent(f"/sites/{city.site()}/revoke", "revoked", False, True),
    "POST /sites/{site}/remove": _remove,
    "POST /sites/{site}/quarantine": lambda city: Sent(
        f"/sites/{city.site()}/quarantine", "quarantined", False, True
    ),
    "POST /sites/{site}/release": lambda city: Sent(
        f"/sites/{city.site(quarantined=True)}/release", "quarantined", True, False
    ),
    "PUT /hazards/{site}/{event}/status": _hazard,
    "POST /sites/{site}/verdict-requests": _verdict_request,
    "POST /integrations/{name}/test": lambda _: Sent("/integrations/city/test", "id", None),
    "POST /deliveries/{delivery}/replay": _delivery,
    "POST /dead-letters/{letter}/replay": _dead_letter,
    "POST /failure-modes/{mode}/assign": _assign,
    "POST /classes": _classes,
    "POST /samples": _sample,
    "POST /campaigns": _campaign,
    "POST /campaigns/{campaign}/approve": _of_campaign("approve", AWAITING, *GOING),
    "POST /campaigns/{campaign}/cancel": _of_campaign("cancel", AWAITING, CANCELLED),
    "POST /campaigns/{campaign}/resume": _of_campaign("resume", FAILED, *GOING),
    "PUT /campaigns/{campaign}/images/{image}/review": _review,
    "POST /teachers": lambda _: Sent("/teachers", "digest", None, body=tiny_bundle()),
    "POST /models/{digest}/ticket": _ticket,
    "DELETE /models/{digest}/ticket": _withdrawal,
    "POST /rollouts": _rollout,
    "POST /rollouts/{rollout}/pause": _of_rollout("pause", "paused", False, True),
    "POST /rollouts/{rollout}/resume": _of_rollout("resume", "paused", True, False, paused=True),
    "POST /rollouts/{rollout}/approve": _of_rollout("approve", "phase", "canary", "all", awaiting=True),
    "POST /rollouts/{rollout}/stop": _of_rollout("stop", "phase", "canary", "halted"),
    "POST /rollouts/{rollout}/rollback": _of_rollout("rollback", "phase", "canary", "rolling_back"),
    "POST /users": _new_user,
    "PATCH /users/{user}": lambda city: Sent(
        f"/users/{city.user()}", "role", "operator", "trainer", {"role": "trainer"}
    ),
    "POST /users/{user}/sessions": _verified,
    "POST /tokens": _new_token,
    "DELETE /tokens/{token}": _token,
    "POST /me/password": _own_password,
    "DELETE /me/session": _own_session,
}
"""A change by each route, in an order in which none hinders a later one."""


def test_every_route_that_changes_something_has_a_change_here_or_a_reason_for_none() -> None:
    changing = {f"{method} {path}" for method, path in PERMISSIONS if method not in READING}
    assert set(CHANGES) | set(NO_CHANGE) == changing
    assert not set(CHANGES) & set(NO_CHANGE)


@pytest.mark.parametrize("action", CHANGES)
def test_the_entry_of_a_change_has_its_object_before_and_after_and_no_secret(
    city: Cloud, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    def generated(*_: object, **__: object) -> None:
        raise StageFailed("there is no generator")

    monkeypatch.setattr(cloud.generator_samples, "run_modules", generated)
    sent = CHANGES[action](city)
    entry, answer = city.entry_of(action, sent)
    before, after = entry.before or {}, entry.after or {}
    assert before != after
    assert before.get(sent.field) == sent.was
    assert after.get(sent.field) in sent.expected(answer)
    text = json.dumps([entry.model_dump(mode="json")])
    assert not [secret for secret in city.secrets if secret in text]
    assert not [name for name in ("argon2", "secret_hash", "password_hash", '"token":') if name in text]
