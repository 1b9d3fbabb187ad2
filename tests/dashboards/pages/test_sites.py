"""Sites and cameras."""

import pytest

from dashboards.pages import sites
from messaging.resources import CameraResource, SiteResource
from tests.support.dashboards.sections import NOW, row, snapshot, text

CAMERA = CameraResource(
    site="north", camera="bridge", connected=True, fps=4.96, frames=18_240, skipped=0, dropped=0, failures=0,
    detections=912, misdetections=157, inference_p50_ms=11.0, inference_p95_ms=17.9, frame_age_s=0.2,
    light="night", weather="rain",
)  # fmt: skip
SITE = SiteResource(
    site="north", online=True, last_seen_at=int(NOW) - 3, model_digest="a" * 64, candidate_digest="b" * 64,
    outbox_messages=1_200, ledger_verified_n=34_567, ledger_verified_at=int(NOW) - 60,
    teacher_digest="c" * 64, teacher_fraction=0.12,
)  # fmt: skip


def test_a_site_has_its_models_last_heartbeat_and_unsent_messages() -> None:
    markup = sites.section(snapshot(sites=(SITE,), cameras=(CAMERA,)))
    assert row(markup, "site-north") == [
        "north", "online", "aaaaaaaa candidate bbbbbbbb", "cccccccc 12 % of frames", "3 s ago", "1,200",
        "to 34,567 60 s ago",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("site", "state"),
    [(SiteResource(site="n", online=False), "offline"),
     (SiteResource(site="n", online=True, revoked=True), "revoked")],
)  # fmt: skip
def test_a_site_that_is_lost_or_revoked_is_not_online(site: SiteResource, state: str) -> None:
    assert row(sites.section(snapshot(sites=(site,))), "site-n") == ["n", state, "–", "–", "never", "–", "–"]


def test_a_site_that_has_signed_two_ledgers_says_so() -> None:
    forked = SITE.model_copy(update={"ledger_fault": "entry 7 has different hashes"})
    found = row(sites.section(snapshot(sites=(forked,))), "site-north")
    assert found[-1] == "contradicts itself entry 7 has different hashes"


def test_a_site_without_a_teacher_states_that_it_cannot_close_failure_modes() -> None:
    lacking = SITE.model_copy(update={"teacher_digest": None, "cannot_close": "no teacher"})
    markup = sites.section(snapshot(sites=(lacking,)))
    assert row(markup, "site-north")[3] == "cannot close failure modes no teacher"


def test_a_site_whose_model_runs_on_another_provider_than_preferred_says_so() -> None:
    slow = SITE.model_copy(update={"provider": "cpu", "provider_wanted": "cuda"})
    assert row(sites.section(snapshot(sites=(slow,))), "site-north")[1] == "online on cpu instead of cuda"


def test_a_camera_has_rate_latency_and_counts() -> None:
    markup = sites.section(snapshot(sites=(SITE,), cameras=(CAMERA,)))
    assert row(markup, "camera-north-bridge") == [
        "bridge north", "night, rain", "5.0", "18 ms", "18,240", "157"
    ]  # fmt: skip


def test_a_disconnected_camera_has_no_condition() -> None:
    lost = CAMERA.model_copy(update={"connected": False})
    assert (
        row(sites.section(snapshot(sites=(SITE,), cameras=(lost,))), "camera-north-bridge")[1] == "no image"
    )


def test_a_site_without_cameras_states_when_they_appear() -> None:
    assert "Cameras appear with the first heartbeat of their site." in text(
        sites.section(snapshot(sites=(SITE,)))
    )


def test_what_a_site_sends_is_text_and_never_markup() -> None:
    hostile = SiteResource(site="<script>alert(1)</script>", online=True)
    markup = sites.section(snapshot(sites=(hostile,)))
    assert "<script>" not in markup
    assert "&lt;script&gt;" in markup
