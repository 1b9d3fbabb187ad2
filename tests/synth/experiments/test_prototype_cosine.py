"""The experiment on the cosine of prototypes: releases at the shipped and at the former settings."""

from pathlib import Path

import numpy as np
import pytest

from edge.vision.prototypes import PrototypeKey, unit_length
from messaging.taxonomy import Condition
from synth.experiments import prototype_cosine
from synth.experiments.prototype_cosine import DEFAULTS, FORMER, Cosines, Tracks, figures_of

KEY = PrototypeKey("fire", Condition.parse("night-rain"), "e" * 64)


@pytest.fixture
def tracks() -> Tracks:
    rng = np.random.default_rng(5)
    centre = unit_length(rng.normal(size=64).astype(np.float32))
    return Tracks(KEY, (centre + rng.normal(0, 0.15, (120, 64))).astype(np.float32), 1.0)


def test_the_defaults_keep_the_cosine_that_the_former_settings_lost(
    tracks: Tracks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prototype_cosine, "DRAWS", 20)
    now, former = Cosines.of(tracks, DEFAULTS, tmp_path), Cosines.of(tracks, FORMER, tmp_path)
    assert (now.tracks_of_one, former.tracks_of_one) == (90, 20)
    figures = {figure.name: figure for figure in figures_of([now], [former])}
    assert figures["prototype_cosine_at_defaults"].holds
    before = figures["prototype_cosine_at_former_defaults"].value
    assert before is not None
    assert before < 0.4
    assert now.averaged > 0.9


def test_the_cosine_is_to_the_mean_of_all_tracks_whatever_their_lengths(tracks: Tracks) -> None:
    longer = Tracks(KEY, tracks.embeddings * 7, 1.0)
    mean = tracks.embeddings.mean(axis=0)
    assert longer.cosine(np.asarray(mean, np.float64)) == pytest.approx(1.0)
    assert longer.cosine(np.asarray(-mean, np.float64)) == pytest.approx(-1.0)
