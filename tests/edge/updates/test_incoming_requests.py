"""Which verdict requests a node answers: signed, for its site, not expired, and each once."""

from pathlib import Path

import pytest

from edge.updates.incoming_requests import ANSWERED_FILE, IncomingRequests
from messaging.trust.envelopes import MAX_ENVELOPE_BYTES
from messaging.trust.keys import SigningKey
from messaging.trust.mirrored_requests import MirroredRequests
from messaging.trust.verdict_requests import OpenRequests, VerdictRequest, sign_requests

NOW = 1_800_000_000


class Place:
    """A mirror with the requests of a site, and the node's view of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.director = SigningKey.read_or_make(folder / "director.pem")
        self.path = folder / "mirror" / "requests" / "s1.json"
        self.path.parent.mkdir(parents=True)

    def ask(self, *numbers: int, site: str = "s1", key: SigningKey | None = None) -> bytes:
        asked = tuple(
            VerdictRequest(number=n, camera="north", class_name="fire", at_utc=NOW, expires_at_utc=NOW + 900)
            for n in numbers
        )
        self.path.write_bytes(sign_requests(OpenRequests(site=site, requests=asked), key or self.director))
        return self.path.read_bytes()

    def node(self) -> IncomingRequests:
        mirrored = MirroredRequests(self.folder / "mirror", "s1", self.director.public)
        return IncomingRequests(mirrored, self.folder)


def _numbers(node: IncomingRequests, now: int = NOW) -> list[int]:
    return [one.number for one in node.waiting(now)]


def test_signed_requests_wait_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    place = Place(tmp_path)
    node = place.node()
    assert _numbers(node) == []
    place.ask(5, 4)
    assert _numbers(node) == [4, 5]


def test_an_answered_request_waits_no_more_also_after_a_restart_and_an_old_mirror(tmp_path: Path) -> None:
    place = Place(tmp_path)
    old = place.ask(4)
    node = place.node()
    node.answered(node.waiting(NOW)[0], NOW)
    place.ask(5)
    assert _numbers(node) == [5]
    place.path.write_bytes(old)
    assert _numbers(node) == []
    assert _numbers(place.node()) == []


def test_an_expired_request_is_not_answered_and_its_number_is_forgotten(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.ask(4, 5)
    node = place.node()
    node.answered(node.waiting(NOW)[0], NOW)
    assert _numbers(node, NOW + 899) == [5]
    assert _numbers(node, NOW + 900) == []
    later = VerdictRequest(number=6, camera="north", class_name="fire", at_utc=NOW, expires_at_utc=NOW + 2000)
    node.answered(later, NOW + 900)
    assert '"4"' not in (tmp_path / ANSWERED_FILE).read_text()


def test_a_forged_a_foreign_and_an_oversized_list_ask_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(tmp_path)
    node = place.node()
    place.ask(4, key=SigningKey.read_or_make(tmp_path / "thief.pem"))
    assert (_numbers(node), _numbers(node)) == ([], [])
    assert caplog.text.count("forged or changed") == 1, "the same bytes are judged once"
    place.ask(4, site="s2")
    assert _numbers(node) == []
    place.path.write_bytes(place.ask(4).ljust(MAX_ENVELOPE_BYTES + 1))
    assert _numbers(node) == []
    assert "was not parsed" in caplog.text
    place.ask(4)
    assert _numbers(node) == [4]


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": "b"}', b"[]"])
def test_a_damaged_state_stops_nothing(content: bytes, tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.ask(4)
    (tmp_path / ANSWERED_FILE).write_bytes(content)
    assert _numbers(place.node()) == [4]
