"""The token of the data folder: made once, readable by its owner only."""

import stat
from pathlib import Path

import pytest

from cloud.api.auth import read_or_make_token


def test_a_token_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "token"
    token = read_or_make_token(path)
    assert len(token) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert read_or_make_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", [b"", b"\n", b"\0" * 43, b"short", b"\xff\xfe", b"two words " * 5])
def test_a_token_file_that_holds_none_gets_a_new_token(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_bytes(damage)
    token = read_or_make_token(path)
    assert len(token) >= 40
    assert read_or_make_token(path) == token
    assert "a new token is made" in caplog.text
