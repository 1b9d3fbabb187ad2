"""One hazard, and the numbers of a site group, over the API, with and without a limit to site groups."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from messaging.access_resources import NewUser, UserRole
from messaging.resources import API_PREFIX, TOKEN_HEADER
from tests.support.cloud.filled_cloud import FilledCloud

PASSWORD = "correct horse battery"


class Reader:
    """Reads the API of a filled cloud in the process."""

    def __init__(self, cloud: FilledCloud) -> None:
        self.cloud = cloud
        self.client = TestClient(cloud.app)

    def get(self, path: str, token: str | None = None) -> Any:
        """The answer's JSON."""
        headers = {TOKEN_HEADER: f"Bearer {token or self.cloud.token}"}
        return self.client.get(f"{API_PREFIX}/{path}", headers=headers).json()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    cloud = FilledCloud(tmp_path / "data")
    cloud.fill()
    yield Reader(cloud)
    cloud.close_store()


def test_site_groups_are_those_of_the_sites_that_the_caller_may_see(reader: Reader) -> None:
    assert reader.get("site-groups")["items"] == []
    for site, group in (("north", "uphill"), ("south", "downhill")):
        reader.cloud.reports.group_site(site, group)
    groups = [{"group": "downhill", "sites": 1}, {"group": "uphill", "sites": 1}]
    assert reader.get("site-groups")["items"] == groups
    limited = NewUser(name="ana", role=UserRole.VIEWER, password=PASSWORD, groups=("uphill",))
    reader.cloud.accounts.add_user(limited)
    token = reader.cloud.accounts.log_in("ana", PASSWORD, "test")[1].bearer
    assert reader.get("site-groups", token)["items"] == groups[1:]


def test_one_hazard_is_the_same_as_in_the_list_and_has_no_deliveries_without_integrations(
    reader: Reader,
) -> None:
    (hazard, *_) = reader.get("hazards")["items"]
    path = f"hazards/{hazard['site']}/{hazard['event']}"
    assert reader.get(path) == hazard
    assert reader.get(f"{path}/deliveries") == {"items": [], "next": None}


def test_a_hazard_is_not_found_under_another_site(reader: Reader) -> None:
    (hazard, *_) = reader.get("hazards?site=south")["items"]
    assert "is not known" in reader.get(f"hazards/north/{hazard['event']}")["detail"]


def test_who_is_limited_to_a_group_knows_no_site_or_hazard_of_another(reader: Reader) -> None:
    reader.cloud.reports.group_site("north", "uphill")
    accounts = reader.cloud.accounts
    accounts.add_user(NewUser(name="ana", role=UserRole.VIEWER, password=PASSWORD, groups=("uphill",)))
    token = accounts.log_in("ana", PASSWORD, "test")[1].bearer
    (hazard, *_) = reader.get("hazards?site=south")["items"]
    assert reader.get("sites/north", token)["site"]["site"] == "north"
    for path in (
        "sites/south",
        f"hazards/south/{hazard['event']}",
        f"hazards/south/{hazard['event']}/deliveries",
    ):
        assert reader.get(path, token)["detail"] == "there is no site 'south'", path


def test_the_overview_of_a_group_counts_its_sites_alone(reader: Reader) -> None:
    reader.cloud.reports.group_site("south", "downhill")
    whole, one = reader.get("overview"), reader.get("overview?group=downhill")
    assert (whole["sites"], one["sites"], one["sites_online"]) == (2, 1, 1)
    assert 0 < one["hazards_in_24_h"] < whole["hazards_in_24_h"]
    assert 0 < one["open_failure_modes"] < whole["open_failure_modes"]
    assert reader.get("overview?group=elsewhere")["sites"] == 0
