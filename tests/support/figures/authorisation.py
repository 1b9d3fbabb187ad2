"""`python -m tests.support.figures.authorisation`: every route for every role, with and without a limit.

A leak is an answer to a request that its sender may not make, or the name of a site, or of a camera of it,
that a user who is limited to another site group reads.
"""

import argparse
import itertools
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from cloud.api.access.permissions import PERMISSIONS, READING, routes_of
from cloud.store.records import CampaignStage, CampaignState, Release, Rollout, RolloutEvent, StageState
from messaging.access_resources import NewUser, UserRole
from messaging.figures import Figure
from messaging.releases import Channel
from messaging.resources import API_PREFIX
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.cloud.sample_reports import OLD
from tests.support.fake_detector import describe
from tests.support.figures.writing import written

PASSWORD = "correct horse battery"
HIDDEN = ("south", "harbour")
ROLES = tuple(UserRole)
SESSIONS = API_PREFIX + "/sessions"
REFUSALS = (401, 403, 404, 422)
"""Of a request for a site that its sender may not know: its body or its path is refused."""


class Access:
    """The API of a filled cloud with a user of each role, one of each limited to the group of site north."""

    def __init__(self, cloud: FilledCloud) -> None:
        self.cloud = cloud
        self.client = TestClient(cloud.app, raise_server_exceptions=False)
        description = describe("first").model_dump(mode="json")
        release = Release(OLD, Channel.SERVICE, "first", 1, 100, None, None, description, 0)
        cloud.services.releases.put_release(release)
        cloud.reports.group_site("north", "uphill")
        cloud.reports.group_site("south", "downhill")
        self.tokens = {
            (role, limited): self._user(f"{role}-{'limited' if limited else 'all'}", role, limited)
            for role, limited in itertools.product(ROLES, (False, True))
        }

    def name_a_site_in_sentences(self) -> None:
        """As a rollout and a trial do that fail at a site."""
        rows, campaign = self.cloud.rows, self.cloud.campaign
        stage = CampaignStage.TRAIN
        rows.report_progress(campaign, stage, "a", progress=0.5, note="waits for south")
        rows.end_stage(campaign, stage, "a", state=StageState.FAILED, output={"metrics": {"south": 1}})
        rows.set_state(campaign, CampaignState.FAILED, reason="site south: no shadow run (south/x), north")
        rollout = Rollout("r1", None, OLD, None, "stopped", False, {}, "south did not answer", 1, 2)
        self.cloud.services.releases.put_rollout(
            rollout, [RolloutEvent("r1", 1, "ana", "stopped", "south is lost")]
        )

    def close(self) -> None:
        """End the client and close the database."""
        self.client.close()
        self.cloud.close_store()

    def _user(self, name: str, role: UserRole, limited: bool) -> str:
        groups = ("uphill",) if limited else ()
        self.cloud.accounts.add_user(NewUser(name=name, role=role, password=PASSWORD, groups=groups))
        return self.cloud.accounts.log_in(name, PASSWORD, "test")[1].bearer

    def request(self, method: str, path: str, token: str, site: str = "north") -> Any:
        """Request a route with real identifiers in its path, and a body that no route accepts."""
        values = {
            "site": site,
            "group": "uphill",
            "campaign": self.cloud.campaign,
            "mode": "smoke.day-fog.missed",
            "image": "1",
            "letter": "1",
            "digest": OLD,
            "rollout": "r1",
            "user": "nobody",
            "token": "none",
            "event": "01J00000000000000000000000",
            "name": "none",
            "delivery": "1",
            "sample": "none",
            "number": "1",
        }
        whole = path.format_map(values)
        headers = {"Authorization": f"Bearer {token}"}
        content = None if method in READING else b"no json"
        return self.client.request(method, whole, headers=headers, content=content)


def filled_access(data: Path) -> Access:
    """The access to a cloud that is filled in the folder `data`."""
    cloud = FilledCloud(data)
    cloud.fill()
    cloud.trained()
    return Access(cloud)


def routes(access: Access) -> list[tuple[str, str]]:
    """Method and path of every route whose answer ends and that leaves the session of its sender."""
    found = [(m, p) for m, p in routes_of(access.cloud.app) if p.startswith(API_PREFIX)]
    assert len(found) > 40
    return [(m, p) for m, p in found if not p.endswith(("/events", "/me/session"))]


def may(role: UserRole, limited: bool, method: str, path: str) -> bool:
    """Whether the table of permissions lets a user of this role make the request."""
    needed = PERMISSIONS.get((method, path.removeprefix(API_PREFIX)))
    return needed is None or (role.includes(needed.role) and (needed.limited or not limited))


@dataclass
class Answers:
    """How many requests were sent, and the leaks among their answers as sentences."""

    sent: int = 0
    leaks: list[str] = field(default_factory=list)

    def add(self, leak: bool, sentence: str) -> None:
        """Count an answer."""
        self.sent += 1
        self.leaks += [sentence] * leak


def authorisation_answers(access: Access) -> Answers:
    """The answers to every route: without a token, for each role and limit, about a site of another group."""
    found = Answers()
    for method, path in routes(access):
        status = access.request(method, path, "wrong").status_code
        found.add(status != (422 if path == SESSIONS else 401), f"{method} {path} without a token: {status}")
        for (role, limited), token in access.tokens.items():
            who = f"{method} {path} by {role}{' of another group' if limited else ''}"
            answer = access.request(method, path, token)
            shown = [name for name in HIDDEN if limited and name in answer.text]
            refused = answer.status_code == 403 or may(role, limited, method, path)
            found.add(bool(shown) or not refused, f"{who}: {answer.status_code} {' '.join(shown)}".rstrip())
            if limited and "{site}" in path:
                other = access.request(method, path, token, site="south").status_code
                found.add(other not in REFUSALS, f"{who}, site south: {other}")
    return found


def main() -> int:
    """Entry of the process; exit code 1 if there is a leak."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.figures.authorisation", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        access = filled_access(Path(folder) / "data")
        try:
            access.name_a_site_in_sentences()
            found = authorisation_answers(access)
        finally:
            access.close()
    for leak in found.leaks:
        sys.stdout.write(f"{leak}\n")
    figure = Figure("authorisation_leaks", len(found.leaks), "answers", "= 0", n=found.sent)
    return written(out, [figure], "make browser")


if __name__ == "__main__":
    sys.exit(main())
