"""Attacks on weights and metadata (TUF, Uptane), with what is left on disk after the refusal."""

import os
from pathlib import Path

import pytest

from edge.updates.weights_store import Action
from messaging.reports import SwapReason
from tests.support.edge.update_attacks import ATTACKS, Attack, AttackedSite, attacked_site, installs
from tests.support.edge.weights_site import assert_refused, drain, in_service, models_on_disk
from tests.support.figures.update_attacks import measured
from tests.support.release_fleet import NOW, Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_installs_nothing_and_is_refused_with_its_reason(attack: Attack, tmp_path: Path) -> None:
    assert not installs(attack, tmp_path / "figure")
    site = attacked_site(tmp_path)
    attack.mount(site)
    if attack.reason is not None:
        assert_refused(site.fleet, site.store, site.incumbent, attack.reason)
    else:
        assert site.store.poll(site.fleet.now).action is Action.NOTHING
        assert drain(site.store) == []


def _honest_release(site: AttackedSite) -> None:
    site.fleet.order(site.fleet.release("two").digest)


def test_the_figure_of_attacks_counts_what_came_into_service(tmp_path: Path) -> None:
    """Its control is a release that is what was signed."""
    honest = Attack("an honest release", SwapReason.BAD_SIGNATURE, _honest_release)
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) == 14
    (figure,) = measured(tmp_path, [ATTACKS[0], honest])
    assert (figure.value, figure.n, figure.holds) == (1, 2, False)


def test_weights_behind_a_pipe_are_never_opened(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.target(two).unlink()
    os.mkfifo(fleet.target(two))
    fleet.order(two.digest)
    assert store.poll(NOW).action is Action.NOTHING
    assert models_on_disk(fleet) == {one.digest}


def test_a_fast_forward_with_a_stolen_timestamp_key_is_undone_by_rotation(tmp_path: Path) -> None:
    site = attacked_site(tmp_path)
    forward = next(attack for attack in ATTACKS if attack.name.startswith("fast-forward"))
    forward.mount(site)
    assert_refused(site.fleet, site.store, site.incumbent, SwapReason.OLDER_VERSION)
    site.fleet.repository.rotate_key("timestamp")
    site.fleet.mirror_metadata()
    site.fleet.order(site.fleet.release("three").digest)
    assert site.store.poll(NOW).action is Action.INSTALL


def test_a_clock_that_was_never_set_installs_nothing_and_is_reported_once(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    for _ in range(3):
        assert store.poll(100).action is Action.NOTHING
    assert [r.reason for r in drain(store)] == [SwapReason.CLOCK_NOT_SANE]
    assert store.poll(NOW).action is Action.INSTALL
    assert one.digest in models_on_disk(fleet)


def test_a_clock_a_year_ahead_keeps_the_model_and_installs_nothing(fleet: Fleet) -> None:
    store, one = in_service(fleet)
    two = fleet.release("two")
    fleet.order(two.digest)
    assert store.poll(NOW + 365 * 86400).action is Action.NOTHING
    assert store.active() is not None
    assert drain(store)[-1].reason is SwapReason.EXPIRED
    assert models_on_disk(fleet) == {one.digest}
