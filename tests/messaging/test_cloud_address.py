"""The files by which clients find a cloud: complete, or one sentence that names the file and the remedy."""

import json
from pathlib import Path

import pytest

from messaging.cloud_address import CloudAddress, find_cloud
from messaging.errors import FileFault

TOKEN = "t" * 43


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "api.json").write_text(json.dumps({"url": "http://127.0.0.1:1"}))
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    return tmp_path


def test_address_and_token_are_read_and_the_token_is_not_printed(data: Path) -> None:
    assert find_cloud(data) == CloudAddress("http://127.0.0.1:1", TOKEN)
    assert TOKEN not in repr(find_cloud(data))


def test_a_folder_without_an_address_has_no_running_cloud(data: Path) -> None:
    (data / "api.json").unlink()
    with pytest.raises(FileFault, match=r"no cloud runs on .*; start it with `blindspot cloud run --data "):
        find_cloud(data)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"url": 1}', '{"url": "ftp://x"}'])
def test_a_damaged_address_is_named(data: Path, text: str) -> None:
    (data / "api.json").write_text(text)
    with pytest.raises(FileFault, match=r"api\.json"):
        find_cloud(data)


@pytest.mark.parametrize("token", [b"", b"\n", b"short", b"\xff\xfe\0", b"s e c r e t" * 6])
def test_a_damaged_token_is_named_and_never_repeated(data: Path, token: bytes) -> None:
    (data / "token").write_bytes(token)
    with pytest.raises(FileFault, match="token") as caught:
        find_cloud(data)
    assert "s e c" not in str(caught.value)


def test_a_token_that_is_not_there_is_named(data: Path) -> None:
    (data / "token").unlink()
    with pytest.raises(FileFault, match=r"token cannot be read \(No such file"):
        find_cloud(data)
