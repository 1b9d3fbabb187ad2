"""Downgrade tickets over the REST API: signing, reading, withdrawing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from messaging.release_resources import ModelResource, TicketResource
from messaging.resources import Page
from tests.support.cloud.api_reader import add_limited_viewer, get
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.cloud.sample_reports import OLD


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[FilledCloud]:
    found = FilledCloud(tmp_path / "data")
    found.released()
    yield found
    found.close_store()


def ask(cloud: FilledCloud, method: str, body: Any = None) -> Any:
    client = TestClient(cloud.app, base_url="http://test/api/v1/")
    return client.request(
        method, f"models/{OLD[:8]}/ticket", json=body, headers={"Authorization": f"Bearer {cloud.token}"}
    )


def test_a_ticket_is_signed_shown_with_its_release_and_withdrawn(cloud: FilledCloud) -> None:
    signed = TicketResource.model_validate(ask(cloud, "POST", {"sites": ["north"], "days": 2}).json())
    shown = ModelResource.model_validate(get(cloud, f"models/{OLD}").json())
    assert shown.ticket == signed
    assert TicketResource.model_validate(ask(cloud, "DELETE").json()) == signed
    assert ModelResource.model_validate(get(cloud, f"models/{OLD}").json()).ticket is None
    assert ask(cloud, "DELETE").status_code == 404


def test_a_ticket_names_sites_so_that_limited_users_and_lists_come_without(cloud: FilledCloud) -> None:
    ask(cloud, "POST", {"sites": ["north"]})
    add_limited_viewer(cloud, "ana", "harbour")
    assert ModelResource.model_validate(get(cloud, f"models/{OLD}", user="ana").json()).ticket is None
    models = Page[ModelResource].model_validate(get(cloud, "models").json()).items
    assert [one.ticket for one in models] == [None, None]
