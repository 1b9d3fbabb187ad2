"""Text files of people, programs and earlier runs: what is read, what is refused with which sentence."""

import os
import re
from pathlib import Path

import pytest

from messaging.errors import FileFault
from messaging.runtime.text_files import decode_json, decode_text, read_bytes, read_json, read_text

TEXT = "0 0.5 0.5 0.1 0.1\nBrücke\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf8_is_read_with_and_without_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "label.txt"
    path.write_bytes(TEXT.encode(encoding))
    assert read_text(path) == TEXT


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (TEXT.encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (TEXT.encode("utf-32"), "is UTF-32 text; save it as UTF-8"),
        (TEXT.encode("utf-16-le")[2:], "not UTF-8"),
        (TEXT.encode("cp1252"), "line 2: byte 0xfc is not UTF-8; save the file as UTF-8"),
        (b"\0" * 64, "holds zero bytes"),
    ],
)
def test_another_encoding_is_one_sentence_with_file_and_line(
    tmp_path: Path, data: bytes, sentence: str
) -> None:
    path = tmp_path / "label.txt"
    path.write_bytes(data)
    with pytest.raises(FileFault, match=re.escape(str(path)) + f".*{sentence}"):
        read_text(path)


def test_what_is_no_regular_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        with pytest.raises(FileFault, match="is not a regular file"):
            read_bytes(path)
    with pytest.raises(FileFault, match=r"absent cannot be read \(No such file"):
        read_bytes(tmp_path / "absent")


def test_a_file_beyond_its_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(b"x" * 11)
    assert read_bytes(path, limit_bytes=11) == b"x" * 11
    with pytest.raises(FileFault, match="longer than 10 bytes"):
        read_bytes(path, limit_bytes=10)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty; expected a JSON document"),
        (" \n", "is empty"),
        ('{"a": 1,\n "b"', "line 2: not valid JSON"),
        ("[" * 100_000, "not valid JSON|nested too deeply"),
    ],
)
def test_json_that_is_empty_cut_or_too_deep_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "card.json"
    path.write_text(text)
    with pytest.raises(FileFault, match=sentence):
        read_json(path)


def test_json_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(b'\xef\xbb\xbf["fire"]')
    assert read_json(path) == ["fire"]


def test_a_text_from_elsewhere_is_named_by_its_origin() -> None:
    with pytest.raises(FileFault, match=r"index\.csv in a\.zip line 1"):
        decode_text(b"a\xf0b", origin="index.csv in a.zip")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": 1,\n "a": 2}', "in: not valid JSON (key 'a' is there twice)"),
        ("[" * 100_000, "in: JSON nested too deeply"),
        (f"[{'9' * 5000}]", "in: not valid JSON"),
        (" \n", "in is empty; expected a JSON document"),
        ('{"a":\n}', "in line 2: not valid JSON"),
    ],
)
def test_a_json_text_that_is_unclear_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(FileFault, match=re.escape(sentence)):
        decode_json(text, origin="in")
