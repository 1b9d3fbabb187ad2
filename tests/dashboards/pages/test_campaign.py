"""The newest campaign: title, stage bar, running stage, thumbnails."""

import pytest

from dashboards.pages import campaign as page
from messaging.resources import StageResource
from tests.support.dashboards.sections import NOW, campaign, image, snapshot, text


def test_without_a_campaign_the_command_is_named() -> None:
    assert "`blindspot campaign start` starts one for the worst mode." in page.section(snapshot())


def test_the_title_names_state_and_failure_modes() -> None:
    shown = text(page.section(snapshot(campaign=campaign())))
    assert shown.startswith(
        "Campaign started 30 s ago by operator running for fallen person missed (night, rain)"
    )


def test_the_stage_bar_is_filled_by_progress_and_done_stages_completely() -> None:
    markup = page.section(snapshot(campaign=campaign()))
    assert '<li class="done" data-stage="plan"><i class="fill"><u style="width:100%">' in markup
    assert (
        '<li class="now" title="epoch 2 of 5" data-stage="train"><i class="fill"><u style="width:40%">'
        in markup
    )
    assert '<li class="pending" data-stage="roll_out"><i class="fill"><u style="width:0%">' in markup


def test_the_running_stage_has_progress_time_left_and_note() -> None:
    assert "train 40 % · about 90 s left · epoch 2 of 5" in text(page.section(snapshot(campaign=campaign())))


@pytest.mark.parametrize(
    ("ended_at", "reason", "shown"),
    [(int(NOW) - 60, "no gain", "ended 60 s ago: no gain"), (None, "", "no stage is running")],
)
def test_without_a_running_stage_the_end_or_the_pause_is_stated(
    ended_at: int | None, reason: str, shown: str
) -> None:
    stages = (StageResource(stage="plan", state="done"),)
    ended = campaign(state="rejected", stages=stages, ended_at=ended_at, reason=reason)
    assert shown in text(page.section(snapshot(campaign=ended)))


def test_without_images_the_stage_that_makes_them_is_named() -> None:
    assert "No image has been generated yet." in page.section(snapshot(campaign=campaign()))


def test_the_latest_kept_and_refused_images_come_first_with_counts_and_reasons() -> None:
    images = (
        *(image(n) for n in range(30)),
        image(30, kept=False, reason="duplicate"),
        image(31, kept=False, reason="wrong_content"),
        image(32, thumbnail=False),
    )
    refused = {"duplicate": 1, "wrong_content": 2_000}
    markup = page.section(snapshot(campaign=campaign(images_refused=refused), images=images))
    assert "45 kept" in markup
    assert "2,001 refused: wrong content 2,000, duplicate 1" in markup
    assert markup.count('<figure class="kept">') == page.KEPT_SHOWN
    assert markup.index("/thumbnails/C1/29") < markup.index("/thumbnails/C1/28")
    assert markup.index("/thumbnails/C1/31") < markup.index("/thumbnails/C1/30")
    assert "/thumbnails/C1/32" not in markup
    assert "<figcaption>wrong content</figcaption>" in markup
