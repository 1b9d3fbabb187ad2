"""Logins and open pages while the cloud is away, and when it is back at another address."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.errors import CloudLost
from messaging.access_resources import NewUser, UserResource, UserRole
from tests.dashboards.access.conftest import PASSWORD, Page, page_over
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.dashboards.browser import PAGE


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Page]:
    """A page whose cloud the test stops."""
    cloud = FilledCloud(tmp_path / "data")
    cloud.accounts.add_user(NewUser(name="ana", role=UserRole.VIEWER, password=PASSWORD))
    cloud.start()
    yield from page_over(cloud)
    cloud.close()


def test_a_session_outlives_a_cloud_that_comes_back_at_another_address(own: Page) -> None:
    own.browser.log_in("ana", PASSWORD)
    where = own.cloud.folder.address.read_text()
    session = own.access.sessions.find(own.browser.cookies["blindspot_session_8751"])
    viewer = own.access.viewer(session)
    own.cloud.folder.address.write_text(json.dumps({"url": "http://127.0.0.1:9"}))
    own.access._transport._address = None
    with pytest.raises(CloudLost, match="does not answer"):
        own.runner.run(viewer.client.get("me", UserResource))
    login = own.browser.get(own.access.link(PAGE))
    assert (login.status_code, "the cloud does not answer" in login.text) == (503, True)
    own.cloud.folder.address.write_text(where)
    assert own.runner.run(viewer.client.get("me", UserResource)).name == "ana"


def test_a_login_without_a_cloud_is_one_sentence(own: Page) -> None:
    own.cloud.folder.address.unlink()
    answer = own.browser.log_in("ana", PASSWORD)
    assert (answer.status_code, "no cloud runs on" in answer.text) == (503, True)
    answer = own.browser.get(own.access.link(PAGE))
    assert (answer.status_code, "no cloud runs on" in answer.text) == (503, True)
