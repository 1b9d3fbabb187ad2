"""What a hostile node puts into legal messages is refused when this site has no reason to report it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edge.gate.limits.known_names import MOST_LEARNT, Named
from edge.gate.limits.pins import AHEAD_S, HAZARD_MAY_LAST_S, MOST_AGE_S, PinBroken, PinReason
from edge.gate.limits.signed_names import SignedNames
from messaging.errors import MessageRefused, StateFileBroken
from messaging.nats.subjects import FLEET_REPORTS, HEARTBEATS
from messaging.reports import Report, SwapReason
from messaging.wire_format.codec import Lane, decode
from tests.support.edge.gate_stage import (
    NOW_UTC,
    GateStage,
    admission_of,
    outgoing_id,
    report_id,
    subject_and_data,
)
from tests.support.messaging.samples import (
    ANSWER,
    DIGEST,
    GUARD,
    HAZARD,
    HEARTBEAT,
    MISDETECTION,
    PROTOTYPE,
    RECALL,
    SAMPLES,
    SHADOW,
    SWAP,
    VERDICT,
)

NOW = int(NOW_UTC)
LISTED = {"north": ("gate-a",)}
SIGNED = SignedNames(
    frozenset({DIGEST, "cd" * 32, "7" * 64}), frozenset({DIGEST}), frozenset({"fire", "flood"})
)
SECRET = "7b3f" * 16
WORD = "aaaa-i-write-forty-letters-into-a-name"


def _changed(report: Report, changes: Mapping[str, Any]) -> Report:
    return report.model_copy(update=dict(changes))


ATTACKS: list[tuple[str, Report, PinReason]] = [
    ("data in the name of a camera", _changed(MISDETECTION, {"camera": WORD}), PinReason.CAMERA),
    ("data in a camera of a hazard", _changed(HAZARD, {"camera": WORD}), PinReason.CAMERA),
    ("data in a zone", _changed(HAZARD, {"zone": WORD}), PinReason.ZONE),
    ("data in a class", _changed(MISDETECTION, {"class_name": WORD}), PinReason.CLASS),
    ("data in the class of a verdict", _changed(VERDICT, {"class_name": WORD}), PinReason.CLASS),
    ("data in the class of a tally", _changed(RECALL, {"class_name": WORD}), PinReason.CLASS),
    (
        "data in a row of a shadow report",
        _changed(SHADOW, {"tallies": (_changed(SHADOW.tallies[0], {"class_name": WORD}),)}),
        PinReason.CLASS,
    ),
    ("data in a digest", _changed(MISDETECTION, {"model_digest": SECRET}), PinReason.DIGEST),
    ("data in a candidate's digest", _changed(SHADOW, {"candidate_digest": SECRET}), PinReason.DIGEST),
    ("data in a digest of the guard", _changed(GUARD, {"previous_digest": SECRET}), PinReason.DIGEST),
    ("data in the digest of a swap", _changed(SWAP, {"previous_digest": SECRET}), PinReason.DIGEST),
    ("data in an embedding", _changed(PROTOTYPE, {"embedding_digest": SECRET}), PinReason.DIGEST),
    ("a time in the future", _changed(HAZARD, {"at_utc": NOW + AHEAD_S + 1}), PinReason.TIME),
    (
        "a minute of last year",
        _changed(RECALL, {"minute_utc": (NOW - MOST_AGE_S) // 60 * 60 - 60}),
        PinReason.TIME,
    ),
    ("an answer that nobody asked for", _changed(ANSWER, {"request": 2**31 - 1}), PinReason.REQUEST),
    ("an answer of last year", _changed(ANSWER, {"minute_utc": NOW - 86_400 * 365}), PinReason.TIME),
    (
        "a hazard that began years ago",
        _changed(HAZARD, {"started_at_utc": NOW - HAZARD_MAY_LAST_S - 1}),
        PinReason.TIME,
    ),
]


@pytest.mark.parametrize(("attack", "report", "reason"), ATTACKS, ids=[row[0] for row in ATTACKS])
def test_a_hostile_node_cannot_send(attack: str, report: Report, reason: PinReason, tmp_path: Path) -> None:
    admission = admission_of(tmp_path, lambda: SIGNED, LISTED)
    subject, data = subject_and_data(1, report)
    with pytest.raises(PinBroken) as refusal:
        admission.report(subject, report_id(1), data, NOW)
    assert refusal.value.reason is reason


@pytest.mark.parametrize("kind", sorted(set(SAMPLES) - {"heartbeat"}))
def test_every_kind_leaves_with_known_names(kind: str, tmp_path: Path) -> None:
    admission = admission_of(tmp_path, lambda: SIGNED, LISTED)
    subject, data = subject_and_data(1, SAMPLES[kind])
    sent = admission.report(subject, report_id(1), data, NOW)
    assert (sent.id, sent.kind) == (outgoing_id(1), kind)


def test_what_is_refused_is_counted_by_reason_delays_nothing_and_never_leaves(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = GateStage(tmp_path)
        stage.signed = SIGNED
        await stage.prepare()
        await stage.put(1, _changed(HAZARD, {"class_name": WORD}))
        await stage.put(2, _changed(HAZARD, {"model_digest": SECRET}))
        await stage.put(3, HAZARD)
        await stage.uplink.forward(Lane.HAZARDS)
        sent = await stage.hub.pull(FLEET_REPORTS, "test")
        assert [one.message_id for one in sent] == [outgoing_id(3)]
        refusals = stage.uplink.counts.refusals
        assert (refusals[PinReason.CLASS], refusals[PinReason.DIGEST]) == (1, 1)
        assert stage.uplink.counts.refused == 2
        assert stage.lanes[Lane.HAZARDS].place(3).after == 2, "the lane goes on behind what is refused"
        stage.ledger.close()

    asyncio.run(scenario())


def test_a_message_that_waited_for_three_days_at_the_site_still_leaves(tmp_path: Path) -> None:
    """The hub was away for 72 hours: its broker stored the message when it was made."""

    async def scenario() -> None:
        stage = GateStage(tmp_path)
        await stage.prepare()
        await stage.put(1, HAZARD)
        stage.now_s += 72 * 3600
        await stage.uplink.forward(Lane.HAZARDS)
        (sent,) = await stage.hub.pull(FLEET_REPORTS, "test")
        assert decode(sent.data).at_utc == NOW
        stage.ledger.close()

    asyncio.run(scenario())


def test_a_swap_of_a_site_whose_clock_is_wrong_leaves_with_the_time_of_the_broker(tmp_path: Path) -> None:
    swap = _changed(SWAP, {"reason": SwapReason.CLOCK_NOT_SANE, "at_utc": 1_000_000})
    subject, data = subject_and_data(1, swap)
    sent = admission_of(tmp_path).report(subject, report_id(1), data, NOW).report
    assert getattr(sent, "at_utc", None) == NOW


def test_a_hostile_heartbeat_is_refused_and_the_next_good_one_leaves(tmp_path: Path) -> None:
    async def scenario() -> None:
        stage = GateStage(tmp_path)
        stage.signed = SIGNED
        await stage.prepare()
        for n, beat in enumerate([_changed(HEARTBEAT, {"model_digest": SECRET}), HEARTBEAT]):
            await stage.site.put_latest(HEARTBEATS, "s1", subject_and_data(n, beat)[1])
            assert await stage.uplink.forward_heartbeat() == (n == 1)
        assert stage.uplink.counts.refusals[PinReason.DIGEST] == 1
        stage.ledger.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("what", [Named.CAMERA, Named.CLASS, Named.DIGEST])
def test_names_that_nobody_lists_are_learnt_once_and_a_restart_gives_no_more(
    what: Named, tmp_path: Path
) -> None:
    field = {Named.CAMERA: "camera", Named.CLASS: "class_name", Named.DIGEST: "model_digest"}[what]
    most, sent = MOST_LEARNT[what], 0
    for n in range(2 * most):
        name = f"{n:064x}" if what is Named.DIGEST else f"name-{n}"
        subject, data = subject_and_data(1, _changed(MISDETECTION, {field: name}))
        try:
            admission_of(tmp_path).report(subject, report_id(1), data, NOW)
            sent += 1
        except MessageRefused:
            continue
    assert sent == most


def test_once_a_release_is_signed_no_digest_and_no_class_is_learnt(tmp_path: Path) -> None:
    signed = [SignedNames()]
    admission = admission_of(tmp_path, lambda: signed[0])
    subject, data = subject_and_data(1, _changed(MISDETECTION, {"model_digest": SECRET}))
    admission.report(subject, report_id(1), data, NOW)
    signed[0] = SIGNED
    with pytest.raises(PinBroken, match="has signed no release"):
        admission.report(subject, report_id(1), data, NOW)


def test_a_damaged_list_of_learnt_names_is_one_sentence_and_no_second_chance(tmp_path: Path) -> None:
    (tmp_path / "learnt_names.json").write_text("{")
    with pytest.raises(StateFileBroken, match=r"learnt_names[.]json is damaged"):
        admission_of(tmp_path)
