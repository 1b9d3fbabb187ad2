"""`python -m tests.support.faults.covert_figures`: bytes that leave in legal messages.

One camera, the shipped caps, after the buckets of the first days are empty. Random data are written into
reports, go through the admission and the count caps of a gate, and are read out of what leaves; every bit is
compared. Reports of kinds without a camera and heartbeats, of which a site has one, are all counted here.
Then the gate is killed and started again with what is on its disk, and as much as leaves is sent at once.
"""

import argparse
import datetime
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from edge.gate.limits.admission import Admission
from edge.gate.limits.coarse import HAZARD_STEP_S
from edge.gate.limits.count_caps import COUNT_LIMITS, CountCaps
from edge.gate.limits.heartbeat_pace import BUDGETS, CHANGES, COUNTERS
from messaging.figures import Figure, write_figures
from messaging.nats.subjects import report_subject
from messaging.reports import Report
from messaging.wire_format.codec import Message, decode, encode
from tests.support.edge.gate_stage import admission_of, buckets_of, report_id
from tests.support.faults.covert_channel import (
    EVENTS,
    SIGNED,
    Place,
    budget_places,
    capacity_bits,
    counter_places,
    places,
    read,
    state_places,
    written,
)
from tests.support.messaging.samples import SAMPLES

DAY_S, SITE, TARGET_BYTES = 86_400, "s1", 10_000
START_UTC = 1_800_000_000


class Receiver:
    """A gate, and who reads what leaves it. `bits` counts what arrived as it was written, by kind."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self.start(new=True)
        self._events = tuple(self._admission.ids.outgoing(event) for event in EVENTS)
        self._random = random.Random(seed)
        self._sent = 0
        self.bits: Counter[str] = Counter()

    def start(self, *, new: bool = False) -> None:
        """Start the gate with what is on its disk, as after a kill. `new`: nothing has left yet."""
        buckets = buckets_of(self._folder, new=new, now_utc=START_UTC)
        self._admission: Admission = admission_of(self._folder, lambda: SIGNED, buckets=buckets)
        self._caps = CountCaps(buckets)

    def empty(self) -> None:
        """Spend all that may leave at once."""
        for kind, limit in COUNT_LIMITS.items():
            self._caps.charge(kind, (SAMPLES[kind],) * limit.at_once, START_UTC)
        self._empty_the_pace()

    def burst_of(self, kind: str, most: int) -> None:
        """So many reports of a kind at once, or fewer if its cap sheds one."""
        for _ in range(most):
            if self._caps.over(kind, (SAMPLES[kind],), START_UTC):
                return
            self._report(kind, START_UTC, HAZARD_STEP_S)

    def burst_of_heartbeats(self, most: int) -> None:
        """So many heartbeats at once, or fewer if one leaves without new counters and without new state."""
        for _ in range(most):
            chosen, without = _heartbeat_places(), _heartbeat_places(budgets=False)
            data = self._random.getrandbits(capacity_bits(chosen))
            beat = written(SAMPLES["heartbeat"], chosen, data)
            left = self._heartbeat(beat, START_UTC).report
            parts = (chosen, without, state_places())
            renewed = [part for part in parts if read(left, part) == read(beat, part)]
            if not renewed:
                return
            self.bits["heartbeat"] += capacity_bits(renewed[0])

    def day_of(self, kind: str, most: int | None = None) -> None:
        """As many reports of a kind as a day allows (or fewer), each in its part of the day."""
        limit = COUNT_LIMITS[kind]
        self._caps.charge(kind, (SAMPLES[kind],) * limit.at_once, START_UTC)
        part_s = DAY_S // limit.per_day // HAZARD_STEP_S * HAZARD_STEP_S
        for number in range(min(limit.per_day, most or limit.per_day)):
            begins = START_UTC + (number + 1) * DAY_S // limit.per_day // HAZARD_STEP_S * HAZARD_STEP_S
            self._report(kind, begins + HAZARD_STEP_S, part_s)

    def _report(self, kind: str, begins_utc: int, part_s: int) -> None:
        when_bits, when = self._moment(part_s)
        stored = begins_utc + when * HAZARD_STEP_S
        chosen = places(kind, stored)
        bits = capacity_bits(chosen)
        data = self._random.getrandbits(bits)
        message = self._message(written(SAMPLES[kind], chosen, data), stored)
        assert not self._caps.over(kind, message.reports, stored), "the cap of the day has more room"
        subject = report_subject(SITE, kind, message.id)
        left = self._admission.report(subject, message.id, encode(message), stored)
        self._caps.charge(kind, left.reports, stored)
        seen = decode(encode(left))
        found = read(seen.report, places(kind, seen.at_utc, self._events))
        assert (found, (seen.at_utc - begins_utc) // HAZARD_STEP_S) == (data, when), kind
        self.bits[kind] += bits + when_bits

    def day_of_heartbeats(self, most: int | None = None) -> None:
        """Counters with the state, as often as a day renews them; then the state alone, likewise.

        The budgets are renewed with so many of the counters as theirs allow, evenly over the day.
        """
        self._empty_the_pace()
        every = COUNTERS.per_day // BUDGETS.per_day
        for n, per_day in enumerate((COUNTERS.per_day, CHANGES.per_day)):
            part_s = DAY_S // per_day
            for number in range(min(per_day, most or per_day)):
                chosen = state_places() if n else _heartbeat_places(budgets=number % every == every - 1)
                when_bits, when = self._moment(part_s - 2 * HAZARD_STEP_S)
                begins = START_UTC + n * DAY_S + (number + 1) * part_s + HAZARD_STEP_S
                bits = capacity_bits(chosen)
                data = self._random.getrandbits(bits)
                left = self._heartbeat(
                    written(SAMPLES["heartbeat"], chosen, data), begins + when * HAZARD_STEP_S
                )
                found = read(left.report, chosen), (left.at_utc - begins) // HAZARD_STEP_S
                assert found == (data, when), "heartbeat"
                self.bits["heartbeat"] += bits + when_bits

    def _empty_the_pace(self) -> None:
        chosen = _heartbeat_places()
        for n in range(COUNTERS.at_once + CHANGES.at_once + 1):
            data = self._random.getrandbits(capacity_bits(chosen))
            self._heartbeat(written(SAMPLES["heartbeat"], chosen, data), START_UTC + n // 60)

    def _heartbeat(self, report: Report, now_utc: int) -> Message:
        message = self._message(report, now_utc)
        return decode(encode(self._admission.heartbeat(decode(encode(message)), now_utc)))

    def _message(self, report: Report, at_utc: int) -> Message:
        self._sent += 1
        return Message(report_id(self._sent), SITE, at_utc, report)

    def _moment(self, part_s: int) -> tuple[int, int]:
        """Bits of the moment within a part of the day, and the step that was chosen."""
        bits = max(1, part_s // HAZARD_STEP_S).bit_length() - 1
        return bits, self._random.getrandbits(bits) if bits else 0


def _heartbeat_places(*, budgets: bool = True) -> tuple[Place, ...]:
    return (*counter_places(), *state_places(), *(budget_places() if budgets else ()))


def covert_bytes(folder: Path, *, seed: int = 7, most: int | None = None) -> dict[str, int]:
    """Bytes that left in a day, by kind; with `most` only so many reports of each kind."""
    receiver = Receiver(folder, seed)
    for kind in COUNT_LIMITS:
        receiver.day_of(kind, most)
    receiver.day_of_heartbeats(most)
    return {kind: bits // 8 for kind, bits in receiver.bits.items()}


def covert_bytes_after_restart(folder: Path, *, seed: int = 7, most: int = 3000) -> dict[str, int]:
    """Bytes that left at once, by kind, after a gate that had spent everything was killed and started."""
    receiver = Receiver(folder, seed)
    receiver.empty()
    receiver.start()
    for kind in COUNT_LIMITS:
        receiver.burst_of(kind, most)
    receiver.burst_of_heartbeats(most)
    return {kind: bits // 8 for kind, bits in receiver.bits.items()}


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="covert_figures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        by_kind = covert_bytes(Path(folder) / "day")
        restarted = covert_bytes_after_restart(Path(folder) / "restart")
    limits = {**COUNT_LIMITS, "heartbeat": COUNTERS}
    after_rest = {
        kind: count * (1 + limits[kind].at_once / limits[kind].per_day) for kind, count in by_kind.items()
    }
    found = [
        Figure("covert_bytes_per_day", sum(by_kind.values()), "bytes", f"<= {TARGET_BYTES}"),
        Figure("covert_bytes_of_a_day_after_rest", sum(after_rest.values()), "bytes"),
        Figure("covert_bytes_after_restart", sum(restarted.values()), "bytes", "<= 0"),
        *(Figure(f"covert_bytes_per_day_{kind}", count, "bytes") for kind, count in by_kind.items()),
    ]
    write_figures(out, found, command="make faults", now=datetime.datetime.now(datetime.UTC))
    for figure in found:
        sys.stdout.write(f"{figure.name}: {figure.value_text}, {figure.holds_text}\n")
    return int(any(figure.holds is False for figure in found))


if __name__ == "__main__":
    sys.exit(main())
