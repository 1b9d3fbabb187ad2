"""Groups of near duplicates are computed once, and seldom while images arrive."""

from typing import Any

from cloud.api.computed.duplicate_groups import DuplicateGroups, KnownDuplicates
from cloud.store.records import SyntheticImage


class Rows:
    """A store of one campaign's images that counts how often they are read."""

    def __init__(self, clock: list[float]) -> None:
        self.hashes = ["00" * 32, "00" * 32, "ff" * 32]
        self.reads, self._clock = 0, clock

    def image_counts(self, campaign: str) -> dict[tuple[bool, str], int]:
        return {(True, ""): len(self.hashes), (False, "duplicate"): 7}

    def images(self, campaign: str, *, kept: bool, limit: int) -> list[SyntheticImage]:
        assert kept
        self.reads += 1
        self._clock[0] += 1.0
        found = []
        for number, value in enumerate(self.hashes, 1):
            hazard = {"fingerprint": value}
            one = SyntheticImage(campaign, f"i{number}", "m", True, "", "", {"hazards": [hazard]})
            one.id = number
            found.append(one)
        return found[:limit]


def known(clock: list[float]) -> KnownDuplicates:
    return KnownDuplicates(lambda: clock[0])


def test_groups_are_computed_once_for_the_same_images() -> None:
    clock = [0.0]
    rows: Any = Rows(clock)
    kept = known(clock)
    found = kept.of(rows, "C1")
    assert (found.compared, found.groups, found.others(1), found.others(3)) == (3, ((1, 2),), (2,), ())
    clock[0] += 10_000
    assert kept.of(rows, "C1") is found
    assert rows.reads == 1


def test_while_images_arrive_the_groups_take_a_tenth_of_the_time() -> None:
    clock = [0.0]
    rows: Any = Rows(clock)
    kept = known(clock)
    kept.of(rows, "C1")
    rows.hashes.append("ff" * 32)
    assert kept.of(rows, "C1").groups == ((1, 2),)
    clock[0] += 9.0
    assert kept.of(rows, "C1").groups == ((1, 2), (3, 4))
    assert rows.reads == 2


def test_every_campaign_and_limit_has_its_own_groups_and_few_are_kept() -> None:
    clock = [0.0]
    rows: Any = Rows(clock)
    kept = known(clock)
    for number in range(40):
        kept.of(rows, f"C{number}")
    assert kept.of(rows, "C39", bits=256).groups == ((1, 2, 3),)
    assert rows.reads == 41
    kept.of(rows, "C0")
    assert rows.reads == 42


def test_the_images_of_all_groups_come_group_after_group() -> None:
    found = DuplicateGroups(9, ((4, 8, 9), (1, 2)))
    assert found.images == (4, 8, 9, 1, 2)
    assert found.others(8) == (4, 9)
