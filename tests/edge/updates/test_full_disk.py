"""Updates on a real small disk: whatever room is left, the model in service stays, and room ends the wait."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.updates.weights_store import Action
from messaging.errors import BlindspotError
from tests.support.edge.weights_site import drain, in_service, opened
from tests.support.release_fleet import Fleet
from tests.support.small_disk import SmallDisk, small_disk

PAGE = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 2) as disk:
        yield disk


@pytest.mark.parametrize("pages", range(9))
def test_an_update_with_so_many_pages_left_is_made_whole_or_not_at_all(disk: SmallDisk, pages: int) -> None:
    """TUF state, weights, state file, journal: the disk is full at another write for each number of pages."""
    fleet = Fleet(disk.folder)
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    disk.fill(leave_bytes=pages * PAGE)
    with contextlib.suppress(OSError, BlindspotError):
        if store.poll(fleet.now).action is Action.INSTALL:
            store.install(fleet.now)
            store.commit(fleet.now)
    for seen in (store, opened(fleet)):
        active = seen.active()
        assert active is not None
        assert active.digest in (one.digest, two.digest)
        assert seen.read(active) == fleet.target(two if active.digest == two.digest else one).read_bytes()
    disk.make_room()
    store = opened(fleet)
    if store.poll(fleet.now).action is Action.INSTALL:
        store.install(fleet.now)
    if store.state.trial is not None:
        store.commit(fleet.now)
    active = store.active()
    assert active is not None
    assert active.digest == two.digest
    drain(store)
