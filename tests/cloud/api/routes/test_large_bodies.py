"""Ten megabytes of junk to every route: refused with a problem, and never read as a whole."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from cloud.api.access.permissions import READING, routes_of
from cloud.api.guard import MAX_BODY_BYTES
from cloud.api.routes.models import TEACHERS
from cloud.fleet.publisher import Publisher
from cloud.fleet.rollout_driver import RolloutDriver
from messaging.resources import API_PREFIX, IDEMPOTENCY_HEADER
from messaging.trust.manifest import MAX_BUNDLE_BYTES
from tests.support.cloud.filled_cloud import FilledCloud

PART, PARTS = b"\xff{" * (1 << 15), 160


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledCloud]:
    folder: Path = tmp_path_factory.mktemp("cloud") / "data"
    cloud = FilledCloud(folder)
    services = cloud.services
    rollouts = RolloutDriver(
        cloud.reports, services.releases, cast(Publisher, None), services.settings.rollout
    )
    cloud.app.state.services = replace(services, rollouts=rollouts)
    yield cloud
    cloud.close_store()


def sent(cloud: FilledCloud, method: str, path: str, headers: dict[str, str]) -> tuple[int, int]:
    """The status of a request with `PARTS` parts, and how many of them were read."""
    read, statuses = 0, list[int]()

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": PART, "more_body": read < PARTS}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    given = {"authorization": f"Bearer {cloud.token}", "content-type": "application/json", **headers}
    scope = {
        "type": "http", "method": method, "path": path, "query_string": b"", "root_path": "",
        "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 1), "client": ("127.0.0.1", 2),
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
    }  # fmt: skip
    asyncio.run(cloud.app(scope, receive, send))
    return statuses[0], read


@pytest.mark.parametrize("headers", [{}, {IDEMPOTENCY_HEADER: "k-1"}], ids=["plain", "with a key"])
def test_no_route_that_changes_something_reads_more_than_its_limit(
    cloud: FilledCloud, headers: dict[str, str]
) -> None:
    found = {}
    for method, path in routes_of(cloud.app):
        if method not in READING and path != API_PREFIX + TEACHERS:
            found[method, path] = sent(cloud, method, re.sub(r"{\w+}", "1", path), headers)
    assert len(found) > 20
    accepted = {key for key, (status, read) in found.items() if status < 400 and read}
    assert accepted == set(), "a route without a body may do its work; one that has read junk may not"
    assert {key: status for key, (status, _) in found.items() if status >= 500} == {}
    assert {key: one for key, one in found.items() if one[1] > MAX_BODY_BYTES // len(PART) + 1} == {}


def test_a_body_that_states_its_length_is_refused_by_every_route_without_being_read(
    cloud: FilledCloud,
) -> None:
    for method, path in routes_of(cloud.app):
        limit = MAX_BUNDLE_BYTES if path == API_PREFIX + TEACHERS else MAX_BODY_BYTES
        answer = sent(cloud, method, re.sub(r"{\w+}", "1", path), {"content-length": str(limit + 1)})
        assert answer == (413, 0), (method, path)
