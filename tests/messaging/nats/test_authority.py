"""Who may connect to the hub: enrolment, renewal and revocation as files, and what damage to them means."""

import logging
import stat
import time
from pathlib import Path

import pytest

from messaging.errors import ConfigurationError
from messaging.nats.authority import HubAuthority, credentials_path
from messaging.nats.credentials import Renewal, read_credentials
from tests.messaging.nats.test_credentials import DAMAGED

DAY_S = 86_400
NOW_UTC = 1_800_000_000


class Clock:
    def __init__(self) -> None:
        self.now_s = float(NOW_UTC)

    def __call__(self) -> float:
        return self.now_s


def _authority(folder: Path, clock: Clock | None = None) -> HubAuthority:
    return HubAuthority(folder, clock=clock or time.time, credential_days=90.0)


def test_keys_are_in_files_that_only_their_owner_may_read_and_enrolment_may_be_repeated(
    tmp_path: Path,
) -> None:
    authority = _authority(tmp_path)
    first = authority.enrol_site("s1").read_bytes()
    cloud = authority.enrol_cloud().read_bytes()
    for same in (authority, _authority(tmp_path)):
        assert (same.enrol_site("s1").read_bytes(), same.enrol_cloud().read_bytes()) == (first, cloud)
        assert same.sites() == ("s1",)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 6
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


@pytest.mark.parametrize("name", ["operator.seed", "account.seed", "system.seed"])
def test_a_damaged_seed_of_the_hub_stops_the_cloud(tmp_path: Path, name: str) -> None:
    _authority(tmp_path)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ConfigurationError, match="restore it from a backup"):
        _authority(tmp_path)


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_seed_of_a_site_shuts_out_this_site_and_no_other(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    authority = _authority(tmp_path)
    authority.enrol_site("s1")
    one = authority.settings().count("\n")
    authority.enrol_site("s2")
    seed = tmp_path / "sites" / "s1" / "account.seed"
    seed.write_bytes(content)
    assert _authority(tmp_path).settings().count("\n") == one, "the account of s2 alone"
    assert "site s1 cannot connect" in caplog.text
    assert authority.renewed("s1") is None
    with pytest.raises(ConfigurationError, match=r"account\.seed is not usable"):
        authority.enrol_site("s1")
    assert seed.read_bytes() == content
    authority.revoke_site("s1")
    assert authority.enrol_site("s1").exists()


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_credentials_are_made_again_but_not_renewed(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    authority = _authority(tmp_path)
    path = authority.enrol_site("s1")
    before = read_credentials(path)
    path.write_bytes(content)
    assert authority.renewed("s1") is None
    assert authority.enrol_site("s1") == path
    assert read_credentials(path).user != before.user
    assert "new ones are made" in caplog.text


def test_credentials_are_renewed_for_the_same_key_when_a_third_of_their_time_is_over(tmp_path: Path) -> None:
    clock = Clock()
    authority = _authority(tmp_path, clock)
    first = read_credentials(authority.enrol_site("s1"))
    assert (first.claims.iat, first.claims.exp) == (NOW_UTC, NOW_UTC + 90 * DAY_S)
    clock.now_s += 29 * DAY_S
    assert authority.renewed("s1") == Renewal(token=first.token)
    clock.now_s += 2 * DAY_S
    sent = authority.renewed("s1")
    assert sent is not None
    renewed = read_credentials(authority.enrol_site("s1"))
    assert (renewed.user, renewed.claims.exp) == (first.user, NOW_UTC + (31 + 90) * DAY_S)
    assert sent == Renewal(token=renewed.token)


def test_a_site_that_is_revoked_meanwhile_is_not_renewed_and_stays_revoked(tmp_path: Path) -> None:
    authority = _authority(tmp_path)
    authority.enrol_site("s1")
    authority.revoke_site("s1")
    authority.revoke_site("s1")
    assert authority.renewed("s1") is None
    assert authority.sites() == ()


def test_a_revocation_cut_short_by_a_crash_leaves_no_credentials_of_the_removed_account(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = _authority(tmp_path)
    old = read_credentials(authority.enrol_site("s1"))
    (tmp_path / "sites" / "s1" / "account.seed").unlink()
    assert credentials_path(tmp_path, "s1").exists()
    with caplog.at_level(logging.WARNING):
        assert read_credentials(authority.enrol_site("s1")).claims.iss != old.claims.iss
