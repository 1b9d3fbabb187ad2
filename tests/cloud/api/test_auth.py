"""The token: made once, readable by its owner only, compared as a whole."""

import stat
from pathlib import Path

import pytest

from cloud.api.auth import read_or_make_token, read_token, token_holds
from cloud.errors import CloudUnreachable


def test_a_token_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "token"
    token = read_or_make_token(path)
    assert len(token) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert read_or_make_token(path) == token == read_token(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_without_a_token_is_no_running_cloud(tmp_path: Path) -> None:
    with pytest.raises(CloudUnreachable, match="give the data folder of a running cloud"):
        read_token(tmp_path / "token")


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        ("Bearer secret", True),
        (None, False),
        ("", False),
        ("secret", False),
        ("bearer secret", False),
        ("Bearer secret2", False),
        ("Bearer sécret", False),
    ],
)
def test_only_the_whole_token_of_the_bearer_scheme_is_accepted(header: str | None, holds: bool) -> None:
    assert token_holds(header, "secret") is holds
