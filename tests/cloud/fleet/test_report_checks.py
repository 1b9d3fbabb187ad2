"""A report that contradicts what the cloud knows is a dead letter with a reason, and changes nothing else."""

import asyncio
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cloud.fleet.intake import IntakeCounts
from cloud.fleet.report_checks import MAX_AHEAD_S, EmbeddingSpace, ReportRefused, largest_norm
from cloud.metrics import CloudMetrics
from cloud.store.report_insertion import Received
from messaging.memory_bus import MemoryBus
from messaging.nats.streams import prepare_hub
from messaging.reports import (
    CameraHealth,
    HazardEvent,
    HazardState,
    Report,
    ShadowReport,
    ShadowTally,
    SwapOutcome,
    SwapReason,
)
from messaging.taxonomy import Light, Weather
from tests.support.cloud.intakes import intake_of
from tests.support.cloud.sample_reports import (
    MINUTE,
    NEW,
    NIGHT_RAIN,
    OLD,
    checks_of,
    counts,
    heartbeat,
    message,
    misdetection,
    new_id,
    open_store,
    prototype,
    swap,
    tally,
)
from tests.support.messaging.site_keys import publish_signed

DAY_S = 86_400
HONEST = (5, 5, 5, 5)  # of length 1 with the scale of `prototype`


def hazard(**changes: object) -> HazardEvent:
    values = {
        "event": new_id(),
        "camera": "north",
        "class_name": "fire",
        "state": HazardState.OPENED,
        "severity": 5,
        "confidence": 0.9,
        "box": misdetection().box,
        "tags": NIGHT_RAIN,
        "started_at_utc": MINUTE,
        "at_utc": MINUTE,
        "model_digest": OLD,
    }
    return HazardEvent.model_validate({**values, **changes})


def shadow(frames: int, supported: int, **changes: int | str) -> ShadowReport:
    cell = {
        "class_name": "pothole",
        "light": Light.NIGHT,
        "weather": Weather.RAIN,
        "supported": supported,
        "incumbent_detected": 0,
        "candidate_detected": supported,
        "incumbent_unsupported": 0,
        "candidate_unsupported": 0,
    }
    return ShadowReport(
        incumbent_digest=OLD,
        candidate_digest=NEW,
        frames=frames,
        candidate_p95_ms=1.0,
        incumbent_p95_ms=1.0,
        candidate_failures=0,
        tallies=(ShadowTally.model_validate({**cell, **changes}),),
        final=True,
        minute_utc=MINUTE,
    )


def outcome(folder: Path, report: Report, *, frames: int = 0) -> tuple[IntakeCounts, str, str]:
    """What intake does with a report: its counts, the reason of the dead letter, and the metrics."""
    metrics = CloudMetrics()
    database, store = open_store(folder)
    camera = CameraHealth(
        camera="north", frames=frames, skipped=0, dropped=0, failures=0, detections=0, misdetections=0,
        fps=1.0, inference_p50_ms=1.0, inference_p95_ms=1.0, frame_age_s=1.0, connected=True, light=Light.DAY,
        weather=Weather.RAIN,
    )  # fmt: skip
    store.put_heartbeats([Received(message(heartbeat(cameras=(camera,))), 100)])

    async def scenario() -> IntakeCounts:
        bus = MemoryBus()
        await prepare_hub(bus)
        sent = message(report)
        await publish_signed(bus, sent)
        return await intake_of(bus, database, metrics=metrics).read_batch(timeout_s=0.1)

    result = asyncio.run(scenario())
    assert sum(counts(store).values()) == result.new
    letters = store.dead_letters()
    database.close()
    return result, letters[0].reason if letters else "", metrics.exposition().decode()


@pytest.mark.parametrize(
    ("attack", "report", "reason", "sentence"),
    [
        ("words for a prompt", misdetection(class_name="naked_child_on_bed"), "class", "hazard"),
        ("a tally of an invented class", tally(class_name="invented"), "class", "'invented'"),
        ("a shadow run of an invented class", shadow(9, 1, class_name="invented"), "class", "'invented'"),
        ("a hazard of an invented class", hazard(class_name="invented"), "class", "'invented'"),
        ("a report of the year 2099", misdetection(minute_utc=4_102_444_740), "time", "s ahead"),
        ("a hazard that begins tomorrow", hazard(started_at_utc=MINUTE + DAY_S), "time", "86400 s ahead"),
        ("a report of last year", misdetection(minute_utc=MINUTE - 360 * DAY_S), "time", "360 days before"),
        ("ten million tracks", tally(supported=10_000_000, detected=10_000_000), "count", "10000000"),
        ("more detected than there are", tally(supported=4, detected=5), "count", "5 detected of 4"),
        ("too large weights", tally(supported=1, detected=1, supported_weight=1e7), "count", "weight"),
        ("tracks on no frame", shadow(0, 5), "count", "5 supported tracks"),
        ("more detected in shadow", shadow(9, 1, candidate_detected=2), "count", "2 detected of 1"),
        ("another width", prototype((1, 2)), "prototype", "has 2 coordinates"),
        ("unreleased space", prototype(HONEST, embedding_digest="f" * 64), "model", "no released model"),
        ("a length over the clip", prototype((127, 0, 0, 0), scale=100.0), "prototype", "length 1.27e+04"),
        ("no noise at all", prototype(HONEST, noise_sigma=1e-12), "prototype", "too little"),
    ],
)  # fmt: skip
def test_a_liar_gets_a_dead_letter(
    attack: str, report: Report, reason: str, sentence: str, tmp_path: Path
) -> None:
    result, letter, metrics = outcome(tmp_path, report)
    assert result == IntakeCounts(refused=1), attack
    assert sentence in letter
    assert f'reports_refused_total{{kind="report",reason="{reason}"}} 1.0' in metrics


@pytest.mark.parametrize(
    ("why", "report", "frames"),
    [
        ("an object of unknown class", misdetection(class_name="unknown"), 0),
        ("a clock that is a little ahead", misdetection(minute_utc=MINUTE + MAX_AHEAD_S), 0),
        ("a report from an outage of four weeks", misdetection(minute_utc=MINUTE - 28 * DAY_S), 0),
        ("a hazard that began two months ago", hazard(started_at_utc=MINUTE - 60 * DAY_S), 0),
        ("a busy minute after a restart of the node", tally(supported=9_000, detected=9_000), 10),
        ("a long interval of a camera with many frames", tally(supported=90_000, detected=1), 90_000),
        ("a prototype within its clip norm", prototype(HONEST), 0),
        ("a shadow run with tracks", shadow(500, 40), 0),
    ],
)
def test_an_honest_report_is_stored(why: str, report: Report, frames: int, tmp_path: Path) -> None:
    result, letter, _ = outcome(tmp_path, report, frames=frames)
    assert (result, letter) == (IntakeCounts(new=1), ""), why


def test_a_site_whose_clock_is_wrong_can_say_so(tmp_path: Path) -> None:
    receipt = swap(1, OLD, SwapOutcome.REFUSED).model_copy(update={"at_utc": MINUTE - 3650 * DAY_S})
    assert outcome(tmp_path / "a", receipt)[0].refused == 1
    receipt = receipt.model_copy(update={"reason": SwapReason.CLOCK_NOT_SANE})
    assert outcome(tmp_path / "b", receipt)[0].new == 1


def test_one_bad_report_among_others_refuses_its_message(tmp_path: Path) -> None:
    database, store = open_store(tmp_path)
    known = checks_of(database).known_now(["harbour"])
    good = message(misdetection())
    known.check(good)
    with pytest.raises(ReportRefused, match="hazard class 'invented'"):
        known.check(replace(good, more=(misdetection(class_name="invented"),)))
    assert counts(store) == {}


def test_no_honest_noised_mean_is_longer_than_the_bound() -> None:
    space = EmbeddingSpace(width=64, clip_norm=1.0)
    random = np.random.default_rng(0)
    for sigma in (0.02, 0.37, 3.0):
        report = prototype((1, 1), noise_sigma=sigma, scale=0.01)
        noised = random.normal(0.0, sigma, (20_000, 64))
        noised[:, 0] += 1.0
        assert np.linalg.norm(noised, axis=1).max() < largest_norm(space, report)


def test_the_bound_is_seven_deviations_from_the_mean_length_at_most() -> None:
    space = EmbeddingSpace(width=64, clip_norm=1.0)
    report = prototype((1, 1), noise_sigma=1.0, scale=0.01)
    assert largest_norm(space, report) < space.clip_norm + math.sqrt(space.width) + 7.0
