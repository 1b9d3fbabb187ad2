"""Which verdict requests a node may answer: those that the cloud has signed for this site."""

from pathlib import Path

import pytest

from edge.gate.limits.asked_requests import ASKED_FILE, AskedRequests
from edge.gate.limits.pins import MOST_AGE_S
from messaging.trust.envelopes import MAX_ENVELOPE_BYTES
from messaging.trust.keys import SigningKey
from messaging.trust.mirrored_requests import MirroredRequests, requests_path
from messaging.trust.verdict_requests import OpenRequests, VerdictRequest, sign_requests

NOW = 1_800_000_000


class Place:
    """A mirror and the gate's view of it. `now_utc` is the gate's clock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now_utc = folder, float(NOW)
        self.director = SigningKey.read_or_make(folder / "director.pem")
        self.path = requests_path(folder / "mirror", "s1")
        self.path.parent.mkdir(parents=True)

    def ask(self, *numbers: int, site: str = "s1", key: SigningKey | None = None) -> None:
        expires = int(self.now_utc) + 900
        asked = tuple(
            VerdictRequest(
                number=number, camera="north", class_name="fire", at_utc=NOW, expires_at_utc=expires
            )
            for number in numbers
        )
        self.path.write_bytes(sign_requests(OpenRequests(site=site, requests=asked), key or self.director))

    def gate(self) -> AskedRequests:
        folder = self.folder / "gate"
        folder.mkdir(exist_ok=True)
        mirrored = MirroredRequests(self.folder / "mirror", "s1", self.director.public)
        return AskedRequests(mirrored, folder, lambda: self.now_utc)


def test_signed_requests_may_be_answered(tmp_path: Path) -> None:
    place = Place(tmp_path)
    gate = place.gate()
    assert gate.numbers() == frozenset()
    place.ask(4, 5)
    assert gate.numbers() == {4, 5}


def test_requests_that_were_replaced_may_still_be_answered_also_after_a_restart(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.ask(4)
    assert place.gate().numbers() == {4}
    place.ask(5)
    assert place.gate().numbers() == {4, 5}
    place.path.unlink()
    assert place.gate().numbers() == {4, 5}


def test_a_request_is_forgotten_when_no_answer_can_wait_any_more(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.ask(4)
    gate = place.gate()
    place.now_utc = NOW + 900 + MOST_AGE_S
    assert gate.numbers() == {4}
    place.now_utc += 1
    assert gate.numbers() == frozenset()
    place.ask(5)
    gate.numbers()
    assert '"4"' not in (tmp_path / "gate" / ASKED_FILE).read_text(), "nor is it kept on disk"


def test_what_a_node_writes_into_the_mirrors_place_asks_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(tmp_path)
    gate = place.gate()
    place.ask(4, key=SigningKey.read_or_make(tmp_path / "thief.pem"))
    assert gate.numbers() == frozenset()
    assert gate.numbers() == frozenset()
    assert caplog.text.count("forged or changed") == 1, "the same bytes are read once"
    place.ask(4, site="s2")
    assert gate.numbers() == frozenset()
    place.path.write_bytes(b"x" * (MAX_ENVELOPE_BYTES + 1))
    assert gate.numbers() == frozenset()
    assert "was not parsed" in caplog.text


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"1": {}}', "junk"])
def test_a_damaged_file_is_begun_again(content: str, tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.ask(4)
    place.gate()
    (tmp_path / "gate" / ASKED_FILE).write_text(content)
    assert place.gate().numbers() == {4}
