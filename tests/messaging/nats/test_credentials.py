"""Seeds and credentials that are emptied, cut or foreign: never believed, never printed."""

from pathlib import Path

import pytest

from messaging.errors import ConfigurationError
from messaging.nats.accounts import gate_jwt
from messaging.nats.broker_config import site_config
from messaging.nats.credentials import ACCOUNT, USER, Credentials, new_key, read_credentials, read_key

DAMAGED = [b"", b"\0" * 58, b"SUAB", b"\xff\xfes\0", b"-----BEGIN NATS USER JWT-----\na.b.c\n"]


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("name", ["node.nk", "gate.nk"])
def test_a_damaged_seed_of_a_site_stops_the_broker_and_is_not_made_again(
    tmp_path: Path, name: str, content: bytes
) -> None:
    site_config(tmp_path, "s1")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"seed file {tmp_path / name} is not usable"):
        site_config(tmp_path, "s1")
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize("content", [*DAMAGED, b"a.b.c"])
def test_damaged_credentials_are_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hub.creds"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"is not usable .*enrol the site again"):
        read_credentials(path)


def test_a_jwt_with_the_seed_of_another_user_is_refused(tmp_path: Path) -> None:
    account, user, other = new_key(ACCOUNT), new_key(USER), new_key(USER)
    token = gate_jwt("s1", account, user.public, 1_800_000_000, expires_utc=1_800_000_100)
    path = tmp_path / "hub.creds"
    path.write_bytes(Credentials(token, other).to_bytes())
    with pytest.raises(ConfigurationError, match="its seed is not that of its user JWT"):
        read_credentials(path)
    path.write_bytes(Credentials(token, user).to_bytes())
    assert read_credentials(path) == Credentials(token, user)


def test_no_error_repeats_what_is_in_a_seed_file(tmp_path: Path) -> None:
    seed = new_key(USER).seed
    path = tmp_path / "node.nk"
    path.write_text(seed[:-1])
    with pytest.raises(ConfigurationError) as caught:
        read_key(path)
    assert seed[:10] not in str(caught.value)
