"""Canary sites cover the conditions that matter, and take turns; which sites have no frames."""

import itertools
from collections.abc import Mapping, Set
from pathlib import Path

import pytest

from cloud.fleet.canaries import canaries_first
from cloud.fleet.rollout_driver import COVERED_S
from cloud.fleet.rollout_history import WITHOUT_FRAMES_S, sites_without_frames
from cloud.fleet.rollout_state import RolloutPhase, RolloutState
from cloud.store.report_insertion import Received
from cloud.store.report_records import SiteHeartbeat
from messaging.releases import Channel
from messaging.reports import CameraHealth
from messaging.taxonomy import Condition
from tests.support.cloud.rollout_fleet import Fleet
from tests.support.cloud.sample_reports import MINUTE, NEW, OLD, heartbeat, message, received, tally
from tests.support.messaging.samples import HEARTBEAT

FOG, RAIN, CLEAR, SNOW = (Condition.parse(key) for key in ("day-fog", "night-rain", "day-clear", "day-snow"))
COVERED = {"attic": {CLEAR}, "bridge": {CLEAR, RAIN}, "quay": {FOG}, "tunnel": {CLEAR, RAIN, SNOW}}
SITES = sorted(COVERED)


@pytest.mark.parametrize(
    ("count", "wanted", "expected"),
    [
        (1, {FOG}, ["quay"]),
        (1, {RAIN}, ["bridge"]),
        (1, set(), ["tunnel"]),
        (2, set(), ["tunnel", "quay"]),
        (1, {Condition.parse("dusk-fog")}, ["tunnel"]),
        (2, {RAIN}, ["bridge", "attic"]),
        (9, set(), ["tunnel", "quay", "attic", "bridge"]),
    ],
    ids=[
        "the only one that has fog",
        "one of two that have rain",
        "most conditions",
        "then what is missing",
        "a condition that no site has",
        "the second covers nothing more",
        "more canaries than sites",
    ],
)
def test_canaries_cover_what_matters(count: int, wanted: Set[Condition], expected: list[str]) -> None:
    order = canaries_first(SITES, count, covered=COVERED, wanted=wanted)
    assert order[: len(expected)] == expected
    assert sorted(order) == SITES


def test_sites_that_cover_nearly_as_much_take_turns() -> None:
    turns: dict[str, int] = {}
    chosen = []
    for turn in range(6):
        first = canaries_first(SITES, 1, covered=COVERED, wanted={RAIN, SNOW}, turns=turns)[0]
        turns[first] = turn
        chosen.append(first)
    assert set(chosen) == {"bridge", "tunnel"}
    assert all(one != other for one, other in itertools.pairwise(chosen))


def test_without_any_report_every_site_takes_its_turn() -> None:
    turns: dict[str, int] = {}
    for turn in range(4):
        turns[canaries_first(SITES, 1, covered={}, turns=turns)[0]] = turn
    assert sorted(turns) == SITES


def _camera(condition: Condition, *, connected: bool = True) -> CameraHealth:
    return CameraHealth(
        camera="road",
        **dict.fromkeys(("frames", "skipped", "dropped", "failures", "detections", "misdetections"), 0),
        **dict.fromkeys(("fps", "inference_p50_ms", "inference_p95_ms", "frame_age_s"), 0.0),
        connected=connected,
        light=condition.light,
        weather=condition.weather,
    )


class Rollouts(Fleet):
    """Sites with one camera each, and rollouts that are done at once."""

    def __init__(self, folder: Path, conditions: Mapping[str, Condition]) -> None:
        super().__init__(folder)
        self.release(OLD, 1)
        for site, condition in conditions.items():
            beat = heartbeat(OLD, cameras=(_camera(condition, connected=site != "away"),))
            self.reports.put_heartbeats([Received(message(beat, site), 100)])

    def canary(self, name: str, *wanted: Condition, channel: Channel = Channel.SERVICE) -> str:
        """The site that is the canary of the next rollout."""
        sites = self.driver.sites()
        row = self.driver.begin(name, NEW, channel, previous=OLD, sites=sites, conditions=set(wanted))
        (first,) = (
            progress.site
            for progress in RolloutState.from_json(row.state).sites
            if progress.group is RolloutPhase.CANARY
        )
        self.now += 60
        return first


def test_the_canary_has_the_condition_that_the_release_is_to_improve(tmp_path: Path) -> None:
    fleet = Rollouts(tmp_path, {"attic": CLEAR, "away": FOG, "quay": FOG, "tunnel": RAIN})
    assert fleet.canary("A", FOG) == "quay"
    assert fleet.canary("B", RAIN) == "tunnel"
    fleet.reports.insert([received(tally(light=SNOW.light, weather=SNOW.weather), "attic")])
    assert fleet.canary("C", SNOW) == "attic"
    fleet.now += COVERED_S + 60
    assert fleet.reports.conditions(since_utc=fleet.now - COVERED_S)["attic"] == {CLEAR}


def test_rollouts_for_service_take_turns_over_restarts_and_shadow_runs_use_up_no_turn(tmp_path: Path) -> None:
    fleet = Rollouts(tmp_path, dict.fromkeys(("attic", "quay", "tunnel"), RAIN))
    chosen = []
    for number in range(6):
        fleet.restart()
        tried = fleet.canary(f"T{number}", RAIN, channel=Channel.TRIAL)
        chosen.append(fleet.canary(f"S{number}", RAIN))
        assert tried == chosen[-1]
    assert chosen == ["attic", "quay", "tunnel"] * 2


def camera(name: str, *, connected: bool = True, age_s: float = 1.0) -> CameraHealth:
    return HEARTBEAT.cameras[0].model_copy(
        update={"camera": name, "connected": connected, "frame_age_s": age_s}
    )


@pytest.mark.parametrize(
    ("cameras", "without"),
    [
        ((camera("gate", connected=False),), True),
        ((camera("gate", age_s=WITHOUT_FRAMES_S + 1),), True),
        ((camera("gate", connected=False), camera("quay")), False),
        ((camera("gate", age_s=WITHOUT_FRAMES_S),), False),
        ((), False),
    ],
)
def test_a_site_has_no_frames_if_none_of_its_cameras_gives_any(
    cameras: tuple[CameraHealth, ...], without: bool
) -> None:
    beat = SiteHeartbeat("harbour", "H1", MINUTE, 400, heartbeat(cameras=cameras), MINUTE)
    assert sites_without_frames([beat]) == ({"harbour"} if without else set())
