"""Spool files that a power cut or a full disk left behind: whole reports are sent, the rest is named."""

from pathlib import Path

import pytest

from edge.outbox.spool import Spool, waiting_message
from messaging.wire_format.codec import Message, decode, kind_of
from tests.support.messaging.samples import HAZARD, MISDETECTION

ID = "01J00000000000000000000001"


def _gathered(folder: Path, *lines: bytes) -> Spool:
    spool = Spool(folder)
    with spool.open_message(ID, "s1", 1_800_000_000, kind_of(MISDETECTION)) as file:
        file.write(b"".join(line + b"\n" for line in lines))
    return spool


@pytest.mark.parametrize("damage", [b"\0" * 40, b"{}", b"\xff\xfe"])
def test_whole_reports_before_a_damaged_line_are_sent(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    line = MISDETECTION.model_dump_json().encode()
    message = _gathered(tmp_path, line, line, damage, line).read(ID)
    assert message is not None
    assert decode(message.data).reports == (MISDETECTION, MISDETECTION)
    assert "2 of 4 reports are damaged and lost" in caplog.text


@pytest.mark.parametrize("content", [b"", b"\0\0", b"[]", b'{"kind": 3}', b'{"kind"'])
@pytest.mark.parametrize("suffix", [".json", ".part"])
def test_a_damaged_file_is_set_aside_and_named(
    tmp_path: Path, content: bytes, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"{ID}{suffix}"
    path.write_bytes(content)
    spool = Spool(tmp_path)
    assert spool.read(ID) is None
    assert path.with_suffix(".unreadable").read_bytes() == content
    assert spool.ids() == []
    assert str(path) in caplog.text


def test_a_sent_message_that_the_disk_keeps_is_removed_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path)
    for number in (1, 2):
        message = Message(f"{ID[:-1]}{number}", "s1", 1_800_000_000, HAZARD)
        spool.write(waiting_message(message))

    def refuse(path: Path, *, missing_ok: bool) -> None:
        raise OSError(30, "Read-only file system", str(path))

    with monkeypatch.context() as trouble:
        trouble.setattr(Path, "unlink", refuse)
        spool.remove(f"{ID[:-1]}1")
    assert len(spool.ids()) == 2
    assert "Read-only file system" in caplog.text
    spool.remove(f"{ID[:-1]}2")
    assert spool.ids() == []


def test_a_file_that_cannot_be_read_now_stays(tmp_path: Path) -> None:
    (tmp_path / f"{ID}.json").mkdir()
    spool = Spool(tmp_path)
    assert spool.read(ID) is None
    assert spool.ids() == [ID]
