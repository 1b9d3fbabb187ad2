"""Tampered ledgers are seen: by the site's own check, or, if its owner did it, by what the cloud knows."""

from pathlib import Path

from tests.support.faults.tampered_ledgers import ATTACKS, tampered
from tests.support.messaging.site_keys import site_key

LEDGERS = 120


def test_no_tampered_ledger_is_unseen(tmp_path: Path) -> None:
    found = [tampered(tmp_path / str(seed), site_key("s1"), seed) for seed in range(LEDGERS)]
    assert {one.attack for one in found} == set(ATTACKS)
    assert [one for one in found if not one.seen_by_cloud] == []
    assert [one for one in found if not one.resigned and not one.seen_at_site] == []
    owners = [one for one in found if one.resigned and not one.head_removed]
    assert not any(one.seen_at_site for one in owners), "the control: without the cloud the owner is not seen"
