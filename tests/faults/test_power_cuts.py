"""Power cuts: whatever was promised is on the disk, at every place where the power may go.

Each kind of durable file is written on a disk that loses everything that was not synced. The controls leave
out the syncs of files, or those of folders: then a promise must break, or the test could not fail.
"""

import json
import time
from pathlib import Path

import pytest

from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import Outgoing, verify
from edge.outbox.batching import Batcher
from edge.outbox.spool import Spool, waiting_message
from edge.privacy.accounts import Account, Spending, account_file
from edge.updates.weights_state import UpdateJournal
from edge.updates.weights_store import Action, Step
from messaging.releases import Channel
from messaging.runtime.atomic_files import move_folder, remove_durably, write_atomically
from messaging.trust.signing import Repository
from messaging.trust.site_trust import TrustedReleases
from messaging.wire_format.codec import Message
from tests.support.edge.weights_site import opened
from tests.support.messaging.samples import HAZARD, MISDETECTION
from tests.support.messaging.site_keys import site_key
from tests.support.power_cut import DurableWork, Ignored, cut_everywhere
from tests.support.release_fleet import NOW, SITE, Fleet

ROUNDS = 4


def _nothing(_: Path) -> None:
    """The folder is empty before the work."""


# -- whole files ---------------------------------------------------------------------------------------


def _write_files(folder: Path, promises: list[int]) -> None:
    for number in range(ROUNDS):
        write_atomically(folder / "below" / "state.json", str(number).encode())
        promises.append(number)


def _files_are_whole(folder: Path, promises: list[int]) -> None:
    path = folder / "below" / "state.json"
    if not promises:
        return
    assert int(path.read_bytes()) in (promises[-1], promises[-1] + 1)


def _remove_file(folder: Path, promises: list[int]) -> None:
    remove_durably(folder / "spent")
    promises.append(1)


def _file_is_gone(folder: Path, promises: list[int]) -> None:
    assert not (promises and (folder / "spent").exists())


def _move_folder(folder: Path, promises: list[int]) -> None:
    aside = folder / ".aside"
    (aside / "below").mkdir(parents=True)
    (aside / "below" / "weights").write_bytes(b"w" * 9000)
    move_folder(aside, folder / "models" / "one")
    promises.append(1)


def _folder_is_whole(folder: Path, promises: list[int]) -> None:
    place = folder / "models" / "one"
    if promises or place.exists():
        assert (place / "below" / "weights").read_bytes() == b"w" * 9000


# -- the gate's ledger ---------------------------------------------------------------------------------


def _append(folder: Path, promises: list[int]) -> None:
    ledger = Ledger(folder / "gate" / "ledger", site_key("s1"))
    for number in range(ROUNDS):
        message = Outgoing(f"id-{number}", "site.s1.report.hazard", "hazard", bytes([number]) * 99)
        ledger.append([message], NOW + number)
        promises.append(ledger.head.n)


def _ledger_has_what_was_sent(folder: Path, promises: list[int]) -> None:
    if promises:
        assert verify(folder / "gate" / "ledger").head.n >= promises[-1]


# -- the site's trust, and its weights -----------------------------------------------------------------


def _site(folder: Path) -> None:
    fleet = Fleet(folder / "cloud")
    (folder / "trust.json").write_bytes(fleet.repository.site_trust.to_bytes())
    one = fleet.release("one")
    fleet.order(one.digest)
    metadata = folder / "older"
    metadata.mkdir()
    for path in fleet.mirror.glob("metadata/*"):
        (metadata / path.name).write_bytes(path.read_bytes())
    fleet.release("two")


def _fleet(folder: Path) -> Fleet:
    fleet = Fleet.__new__(Fleet)
    fleet.folder, fleet.now, fleet.mirror = folder / "cloud", NOW, folder / "cloud" / "mirror"
    fleet.repository = Repository.open(folder / "cloud" / "releases", clock=lambda: NOW)
    return fleet


def _believe(folder: Path, promises: list[int]) -> None:
    fleet = _fleet(folder)
    trusted = TrustedReleases(folder / "trusted", fleet.mirror, fleet.repository.site_trust)
    two = max(fleet.repository.releases().values(), key=lambda release: release.version)
    trusted.manifest(two.digest, NOW)
    promises.append(
        json.loads((fleet.mirror / "metadata" / "timestamp.json").read_bytes())["signed"]["version"]
    )


def _version(metadata: Path) -> int:
    version: int = json.loads(metadata.read_bytes())["signed"]["version"]
    return version


def _versions_seen_are_kept(folder: Path, promises: list[int]) -> None:
    kept = folder / "trusted" / "timestamp.json"
    if promises:
        assert _version(kept) >= promises[-1]


def _install(folder: Path, promises: list[int]) -> None:
    fleet = _fleet(folder)
    store = opened(fleet)
    assert store.poll(NOW).action is Action.INSTALL
    store.install(NOW)
    store.commit(NOW)
    promises.append(store.state.last_sequence)


def _model_is_in_service(folder: Path, promises: list[int]) -> None:
    store = opened(_fleet(folder))
    active = store.active()
    if promises:
        assert active is not None
        assert store.state.last_sequence >= promises[-1]
    if active is not None:
        assert store.read(active)


def _write_steps(folder: Path, promises: list[int]) -> None:
    journal = UpdateJournal(folder / "journal.jsonl")
    for number in range(ROUNDS):
        journal.append(list(Step)[number], sequence=number, digest="0" * 64, at_utc=NOW)
        promises.append(number)


def _steps_are_there(folder: Path, promises: list[int]) -> None:
    assert len(UpdateJournal(folder / "journal.jsonl").steps()) >= len(promises)


# -- outbox and privacy --------------------------------------------------------------------------------


def _id(number: int) -> str:
    return f"01M8E1X7AQCEAERXPF16HHBJ3{number}"


def _gather(folder: Path, promises: list[int]) -> None:
    batcher = Batcher(Spool(folder / "outbox"), SITE, time.monotonic)
    try:
        for number in range(ROUNDS):
            batcher.add(MISDETECTION, 60.0, new_id=lambda: _id(0), at_utc=NOW)
            promises.append(number)
    finally:
        for message in batcher.take_due(everything=True):
            message.file.close()


def _gathered_reports_are_there(folder: Path, promises: list[int]) -> None:
    if promises:
        message = Spool(folder / "outbox").read(_id(0))
        assert message is not None
        assert message.reports >= len(promises)


def _spool(folder: Path, promises: list[int]) -> None:
    spool = Spool(folder / "outbox")
    for number in range(ROUNDS):
        spool.write(waiting_message(Message(_id(number), SITE, NOW, HAZARD)))
        promises.append(number)


def _spooled_messages_are_there(folder: Path, promises: list[int]) -> None:
    if promises:
        spool = Spool(folder / "outbox")
        assert all(spool.read(_id(number)) is not None for number in promises)


def _spend(folder: Path, promises: list[int]) -> None:
    file = account_file(folder / "privacy" / "yard.json")
    for number in range(1, ROUNDS):
        file.write(Account(spendings=(Spending(at_utc=NOW, mu=0.1),) * number))
        promises.append(number)


def _spendings_are_there(folder: Path, promises: list[int]) -> None:
    account = account_file(folder / "privacy" / "yard.json").read() if promises else None
    if promises:
        assert account is not None
        assert len(account.spendings) >= promises[-1]


# -- the cloud's release metadata ----------------------------------------------------------------------


def _repository(folder: Path) -> None:
    Fleet(folder / "cloud").release("one")


def _sign(folder: Path, promises: list[int]) -> None:
    fleet = _fleet(folder)
    (one,) = fleet.repository.releases().values()
    fleet.repository.publish(
        one.model_copy(update={"digest": "2" * 64, "version": 2, "channel": Channel.TRIAL})
    )
    promises.append(len(fleet.repository.releases()))
    fleet.repository.rotate_key("snapshot")


def _releases_are_signed(folder: Path, promises: list[int]) -> None:
    repository = _fleet(folder).repository
    assert repository.metadata_files()
    assert len(repository.releases()) >= (promises[-1] if promises else 1)


def _one_file(folder: Path) -> None:
    (folder / "spent").write_bytes(b"x")


WORKS: dict[str, DurableWork] = {
    "atomic write": DurableWork(_nothing, _write_files, _files_are_whole),
    "folder that is moved": DurableWork(_nothing, _move_folder, _folder_is_whole),
    "ledger": DurableWork(_nothing, _append, _ledger_has_what_was_sent),
    "TUF state of a site": DurableWork(_site, _believe, _versions_seen_are_kept),
    "weights": DurableWork(_site, _install, _model_is_in_service),
    "journal of updates": DurableWork(_nothing, _write_steps, _steps_are_there),
    "open message of the outbox": DurableWork(_nothing, _gather, _gathered_reports_are_there),
    "spooled message": DurableWork(_nothing, _spool, _spooled_messages_are_there),
    "privacy account": DurableWork(_nothing, _spend, _spendings_are_there),
    "release metadata": DurableWork(_repository, _sign, _releases_are_signed),
}
REMOVAL = DurableWork(_one_file, _remove_file, _file_is_gone)


@pytest.mark.parametrize("name", WORKS)
def test_what_was_promised_survives_every_power_cut(tmp_path: Path, name: str) -> None:
    assert cut_everywhere(WORKS[name], tmp_path) >= 4


def test_a_file_that_was_removed_does_not_come_back(tmp_path: Path) -> None:
    assert cut_everywhere(REMOVAL, tmp_path) == 4


@pytest.mark.parametrize("ignored", [Ignored.FILES, Ignored.FOLDERS])
@pytest.mark.parametrize("name", WORKS)
def test_control_without_a_sync_a_promise_breaks(tmp_path: Path, name: str, ignored: Ignored) -> None:
    with pytest.raises(AssertionError, match="power cut before sync"):
        cut_everywhere(WORKS[name], tmp_path, ignored=ignored)


def test_control_without_the_sync_of_its_folder_a_removed_file_comes_back(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        cut_everywhere(REMOVAL, tmp_path, ignored=Ignored.FOLDERS)
