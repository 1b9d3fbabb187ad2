"""Prototypes of the fleet: no single site dominates them, and embeddings are never mixed."""

from typing import Any

import numpy as np
import pytest

from cloud.failure_modes.prototypes import FleetPrototype, Vector, fleet_prototypes, nearest_class
from cloud.store.report_records import PrototypeRow
from messaging.taxonomy import Condition, Light, Weather
from tests.support.cloud.sample_reports import EMBEDDING, MINUTE

NIGHT = Condition(Light.NIGHT, Weather.CLEAR)


def row(site: str, vector: tuple[float, ...], **changes: Any) -> PrototypeRow:
    values: dict[str, Any] = {
        "camera": "north",
        "class_name": "fire",
        "condition": NIGHT,
        "embedding_digest": EMBEDDING,
        "tracks": 20,
        "noise_sigma": 0.1,
        "minute_utc": MINUTE,
    }
    return PrototypeRow(site=site, vector=vector, **{**values, **changes})


def test_from_five_sites_on_one_dishonest_site_changes_nothing() -> None:
    honest = [row(f"s{i}", (1.0, 0.1 * i)) for i in range(4)]
    (found,) = fleet_prototypes([*honest, row("outlier", (1e6, -1e6))], EMBEDDING)
    assert found.sites == 5
    assert np.allclose(found.vector, (1.0, 0.1), atol=0.11)


def test_with_fewer_sites_the_mean_is_clipped_to_the_median_length() -> None:
    (found,) = fleet_prototypes(
        [row("a", (1.0, 0.0)), row("b", (1.0, 0.0)), row("outlier", (0.0, 1000.0))], EMBEDDING
    )
    assert np.linalg.norm(found.vector) <= 1.0


def test_a_site_has_one_vote_however_many_cameras_it_has() -> None:
    many = [row("many", (1.0, 0.0), camera=f"c{i}") for i in range(9)]
    (found,) = fleet_prototypes([*many, row("single", (0.0, 1.0))], EMBEDDING)
    assert found.vector == pytest.approx((0.5, 0.5))


def test_the_releases_of_a_camera_are_averaged_by_their_noise() -> None:
    (found,) = fleet_prototypes(
        [row("a", (1.0, 0.0), noise_sigma=0.1), row("a", (0.0, 1.0), noise_sigma=0.2)], EMBEDDING
    )
    assert found.vector == pytest.approx((0.8, 0.2))
    assert (found.sites, found.tracks) == (1, 40)


def noised(mean: Vector, sigma: float, seed: int) -> tuple[float, ...]:
    return tuple(mean + np.random.default_rng(seed).normal(0, sigma, len(mean)))


MEAN = np.full(64, 0.6 / 8)
NOISE = 0.15  # of one release: cosine 0.45


@pytest.mark.parametrize(
    ("why", "sites", "releases", "usable"),
    [
        ("one noisy release", 1, 1, False),
        ("nine of one camera", 1, 9, True),
        ("one of each of nine sites", 9, 1, True),
        ("one of each of two sites", 2, 1, False),
    ],
)
def test_a_prototype_is_usable_once_enough_releases_make_up_for_their_noise(
    why: str, sites: int, releases: int, usable: bool
) -> None:
    rows = [
        row(f"s{s}", noised(MEAN, NOISE, 10 * s + r), noise_sigma=NOISE)
        for s in range(sites)
        for r in range(releases)
    ]
    (found,) = fleet_prototypes(rows, EMBEDDING)
    assert found.usable is usable, why


def test_one_site_that_states_a_false_noise_changes_no_prototype_of_five_sites() -> None:
    honest = [row(f"s{k}", noised(MEAN, 0.02, k), noise_sigma=0.02) for k in range(4)]
    for stated in (1e-9, 1000.0):
        (found,) = fleet_prototypes([*honest, row("liar", tuple(-MEAN), noise_sigma=stated)], EMBEDDING)
        assert found.cosine > 0.95
        assert np.asarray(found.vector) @ MEAN > 0


def test_of_two_sites_a_liar_of_any_length_does_not_decide() -> None:
    liar = row("liar", (0.0, 12_700.0))
    (found,) = fleet_prototypes([row("honest", (1.27, 0.0)), liar], EMBEDDING)
    assert found.vector == pytest.approx((0.635, 0.635))


@pytest.mark.parametrize(("width", "expected"), [(None, 3), (3, 3), (2, 2)])
def test_a_prototype_of_another_width_is_left_out_and_nothing_raises(
    width: int | None, expected: int
) -> None:
    rows = [row("liar", (1.0, 2.0))] * 5 + [row("a", (1.0, 0.0, 0.0)), row("b", (1.0, 0.0, 0.0))]
    (found,) = fleet_prototypes(rows, EMBEDDING, width=width)
    assert len(found.vector) == expected


def test_a_stated_noise_that_underflows_gives_finite_vectors() -> None:
    (found,) = fleet_prototypes([row("liar", (1.0, 2.0), noise_sigma=1e-300)], EMBEDDING)
    assert np.isfinite(found.vector).all()


def test_prototypes_of_another_embedding_are_left_out() -> None:
    rows = [row("a", (1.0, 0.0)), row("b", (5.0, 5.0), embedding_digest="f" * 64)]
    (found,) = fleet_prototypes(rows, EMBEDDING)
    assert found.sites == 1


def fleet(
    class_name: str, vector: tuple[float, ...], condition: Condition = NIGHT, cosine: float = 0.9
) -> FleetPrototype:
    return FleetPrototype(class_name, condition, vector, EMBEDDING, 3, 60, cosine)


@pytest.mark.parametrize(
    ("why", "known", "expected"),
    [
        ("clearly nearest", [fleet("fire", (1.0, 0.1)), fleet("smoke", (0.0, 1.0))], "fire"),
        ("two are equally near", [fleet("fire", (1.0, 0.2)), fleet("smoke", (1.0, -0.2))], None),
        ("the only class", [fleet("fire", (1.0, 0.0))], None),
        ("one is noise", [fleet("fire", (1.0, 0.1)), fleet("smoke", (0.0, 1.0), cosine=0.3)], None),
        (
            "another condition",
            [fleet("fire", (1.0, 0.0), Condition()), fleet("smoke", (0.0, 1.0))],
            None,
        ),
    ],
)
def test_an_unknown_class_is_assigned_to_the_nearest_prototype_only_with_a_margin(
    why: str, known: list[FleetPrototype], expected: str | None
) -> None:
    assert nearest_class(fleet("unknown", (1.0, 0.0)), known) == expected, why
