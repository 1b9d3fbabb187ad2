"""The configuration in the API: without secrets, and sent only where it has changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from cloud.api.routes.configuration import _without_secrets
from cloud.settings import CloudSettings, StoreSettings
from messaging.resources import API_PREFIX
from tests.support.cloud.filled_cloud import FilledCloud


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    cloud = FilledCloud(tmp_path / "data")
    yield TestClient(cloud.app, headers={"Authorization": f"Bearer {cloud.token}"})
    cloud.close_store()


@pytest.mark.parametrize("path", ["/configuration", "/configuration/schema", "/classes"])
def test_what_a_client_has_already_is_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(API_PREFIX + path)
    tag = first.headers["etag"]
    assert first.status_code == 200
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = client.get(API_PREFIX + path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(API_PREFIX + path, headers={"If-None-Match": '"other"'}).json() == first.json()


def test_the_settings_are_there_and_no_secret_is(client: TestClient, tmp_path: Path) -> None:
    shown = client.get(API_PREFIX + "/configuration").json()["settings"]
    assert (shown["api"]["host"], "url" in shown["store"]) == ("127.0.0.1", True)
    url = SecretStr("postgresql://blindspot:s3cret@db/store")
    settings = CloudSettings(data=tmp_path, store=StoreSettings(url=url))
    found: dict[str, Any] = _without_secrets(settings)
    assert found["store"] == {}
    assert "s3cret" not in str(found)
