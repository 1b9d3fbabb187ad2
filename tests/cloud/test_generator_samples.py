"""Samples of the generator before a campaign: one sheet at a time, none beside a campaign's training."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

import cloud.generator_samples
from cloud.api.client import RemoteCloud
from cloud.errors import CampaignRefused, NotKnown, NotNow, StageFailed, StageInterrupted
from cloud.generator_samples import KEPT, GeneratorSample, GeneratorSamples
from cloud.settings import CloudSettings, SynthesisSettings
from cloud.store.records import CampaignPlan, CampaignState
from messaging.api.samples import SampleRequest, SampleResource
from messaging.errors import BlindspotError
from messaging.reports import EvidenceSource
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.waiting import wait_until

FIRE = "fire.night-clear.missed"


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[FilledCloud]:
    cloud = FilledCloud(tmp_path / "cloud")
    cloud.beat()
    cloud.misses("fire", 0, {EvidenceSource.TEACHER: 61})
    cloud.misses("unknown", 0, {EvidenceSource.MOTION: 17})
    cloud.start()
    yield cloud
    cloud.close()


def _with(filled: FilledCloud, **synthesis: Any) -> GeneratorSamples:
    settings = CloudSettings(data=filled.folder.root, synthesis=SynthesisSettings(**synthesis))
    services = filled.services
    return GeneratorSamples(
        settings, services.register, services.campaign_rows, services.datasets, clock=lambda: 1000.0
    )


def _ended(samples: GeneratorSamples, sample: GeneratorSample) -> GeneratorSample:
    wait_until(lambda: samples.get(sample.id).state != "running", 120)
    return samples.get(sample.id)


@pytest.mark.timeout(180)
def test_the_sheet_shows_hazards_of_the_failure_mode_by_the_configured_generator(filled: FilledCloud) -> None:
    samples = _with(filled, image_width=448, image_height=256)
    with samples.generating():
        started = samples.start(FIRE, count=1, seed=7)
        assert (started.order.class_name, started.order.condition.key) == ("fire", "night-clear")
        done = _ended(samples, started)
        assert (done.state, done.reason, done.hazards) == ("done", "", 1)
        assert "flames" in done.prompts[0]
        sheet = cv2.imread(str(samples.sheet(started.id)))
        assert sheet is not None
        assert sheet.shape[0] > 190


def test_a_generator_that_cannot_be_opened_is_a_sample_with_the_reason(
    filled: FilledCloud, tmp_path: Path
) -> None:
    samples = _with(filled, generator=str(tmp_path / "nowhere"))
    with samples.generating():
        failed = _ended(samples, samples.start(FIRE, count=1, seed=7))
        assert failed.state == "failed"
        assert "does not exist" in failed.reason
        with pytest.raises(NotNow, match=r"has no sheet: .*does not exist"):
            samples.sheet(failed.id)


def test_a_second_request_is_refused_while_samples_are_generated(
    filled: FilledCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def until_stopped(*_: object, stopping: Any, **__: object) -> None:
        begun.set()
        wait_until(stopping, 60)
        raise StageInterrupted("stopped")

    monkeypatch.setattr(cloud.generator_samples, "run_modules", until_stopped)
    samples = _with(filled)
    with samples.generating():
        first = samples.start(FIRE, count=1, seed=7)
        assert begun.wait(60)
        with pytest.raises(NotNow, match="ask again when they are done"):
            samples.start(FIRE, count=1, seed=8)
    assert (samples.get(first.id).state, samples.get(first.id).reason) == ("failed", "the cloud has stopped")


def test_the_newest_samples_are_kept_and_those_of_an_earlier_start_are_removed(
    filled: FilledCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise StageFailed("no room")

    monkeypatch.setattr(cloud.generator_samples, "run_modules", refused)
    (filled.folder.samples / "old").mkdir(parents=True)
    samples = _with(filled)
    with samples.generating():
        started = [_ended(samples, samples.start(FIRE, count=1, seed=n)).id for n in range(KEPT + 1)]
        assert {path.name for path in filled.folder.samples.iterdir()} == set(started[1:])
        with pytest.raises(NotKnown, match="is not known"):
            samples.get(started[0])


def test_no_sample_is_generated_while_a_campaign_makes_its_model(filled: FilledCloud) -> None:
    rows = filled.services.campaign_rows
    running = rows.create("C9", CampaignPlan((FIRE,), 3), started_by="ana")
    rows.set_state(running.id, CampaignState.RUNNING)
    samples = _with(filled)
    with pytest.raises(NotNow, match="campaign C9 has the training machine"):
        samples.start(FIRE, count=1, seed=7)


@pytest.mark.parametrize(
    ("mode", "error", "sentence"),
    [
        ("nonsense", BlindspotError, "nonsense"),
        ("unknown.night-clear.missed", CampaignRefused, "class"),
    ],
)
def test_what_cannot_be_generated_is_refused_at_once(
    filled: FilledCloud, mode: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        _with(filled).start(mode, count=1, seed=7)


def test_samples_are_asked_for_and_read_through_the_api(
    filled: FilledCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise StageFailed("the card has no memory left")

    monkeypatch.setattr(cloud.generator_samples, "run_modules", refused)
    with RemoteCloud.of_folder(filled.folder.root) as client:
        asked = client.send("POST", "samples", SampleResource, SampleRequest(mode=FIRE, count=2, seed=5))
        assert (asked.mode, asked.count, asked.seed) == (FIRE, 2, 5)
        wait_until(lambda: client.get(f"samples/{asked.id}", SampleResource).state == "failed")
        assert client.get(f"samples/{asked.id}", SampleResource).reason == "the card has no memory left"
