"""Updates of a site whose gate or node, or both, are killed once in each, at a random moment."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.faults.update_site import UpdateSite, fault_of, running_update_site
from tests.support.waiting import wait_until

SETTLES_WITHIN_S = 120.0
EVERY_BAD = 10
NO_STEP = "none"
VICTIMS = ("node", "gate", "both")


@dataclass(frozen=True)
class KilledUpdate:
    """One update: who was killed, at which step of it, and what went wrong.

    `step`: the last one of this update in the node's journal.
    """

    victim: str
    after_s: float
    step: str
    under_way: bool
    fault: str | None


def killed_updates(folder: Path, kills: int, seed: int) -> list[KilledUpdate]:
    """So many updates with a kill in each; every tenth release is bad and must not come into service."""
    chance = random.Random(seed)
    with running_update_site(folder) as site:
        wanted = asyncio.run(site.release(1))
        wait_until(lambda: site.settled_on(wanted, 1), SETTLES_WITHIN_S, "the first model is in service")
        begun = time.monotonic()
        wanted = asyncio.run(site.release(2))
        wait_until(lambda: site.settled_on(wanted, 2), SETTLES_WITHIN_S, "the second model is in service")
        takes_s = time.monotonic() - begun
        found = []
        for number in range(3, 3 + kills):
            good, before = number % EVERY_BAD != 0, len(site.steps)
            digest = asyncio.run(site.release(number, good=good))
            wanted = digest if good else wanted
            found.append(_killed(site, (wanted, number, before), chance, takes_s))
    return found


def _killed(
    site: UpdateSite, ordered: tuple[str, int, int], chance: random.Random, takes_s: float
) -> KilledUpdate:
    """`ordered`: the model to be in service in the end, the order's number, steps in the journal before."""
    wanted, number, before = ordered
    victim, after_s = chance.choice(VICTIMS), chance.uniform(0.0, takes_s)
    time.sleep(after_s)
    under_way = not site.settled_on(wanted, number)
    steps = site.steps[before:]
    step = str(steps[-1]) if steps else NO_STEP
    if victim != "node":
        site.kill_gate()
    fault = site.kill_node() if victim != "gate" else None
    try:
        wait_until(lambda: site.settled_on(wanted, number), SETTLES_WITHIN_S, f"{wanted} is in service")
    except AssertionError as error:
        fault = fault or f"{error}; the state is {site.state.model_dump_json()[:1000]}"
    fault = fault or fault_of(site.weights, site.state, site.served(), site.signed)
    return KilledUpdate(victim, after_s, step, under_way, fault)


def faults(updates: Sequence[KilledUpdate]) -> list[str]:
    """What went wrong, with the kill that was before it."""
    return [f"{one.victim} killed after {one.step}: {one.fault}" for one in updates if one.fault is not None]
