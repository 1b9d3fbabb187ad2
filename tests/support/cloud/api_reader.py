"""Requests to the API of a filled cloud, as the data folder or as one of its users."""

from typing import Any

from fastapi.testclient import TestClient

from messaging.access_resources import NewUser, UserRole
from tests.support.cloud.filled_cloud import FilledCloud

PASSWORD = "correct horse battery"


def add_limited_viewer(cloud: FilledCloud, name: str, group: str) -> None:
    """Add a user who may read what is of one site group."""
    cloud.accounts.add_user(NewUser(name=name, role=UserRole.VIEWER, password=PASSWORD, groups=(group,)))


def get(cloud: FilledCloud, path: str, *, user: str | None = None, **query: Any) -> Any:
    """What the API answers; without a `user` to the data folder's token. A query of None is left out."""
    token = cloud.token if user is None else cloud.accounts.log_in(user, PASSWORD, "here")[1].bearer
    client = TestClient(cloud.app, base_url="http://test/api/v1/")
    given = {name: value for name, value in query.items() if value is not None}
    return client.get(path, params=given, headers={"Authorization": f"Bearer {token}"})
