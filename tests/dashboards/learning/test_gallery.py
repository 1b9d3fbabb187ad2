"""The gallery of generated images: address, filters, grid, one image in full."""

import html
import re
from collections.abc import Collection, Mapping
from typing import Any

from cloud.api.computed.gallery import image_with_files
from cloud.campaigns.image_stages import kept_image, refused_image
from cloud.store.records import SyntheticImage
from dashboards.learning.gallery import (
    GalleryChoice,
    duplicate_groups,
    filters_markup,
    grid,
    overlay,
    pages_markup,
    whole_image,
)
from dashboards.scope import Scope
from messaging.api.gallery import GalleryImage
from synth.selection.filters import Refusal
from tests.dashboards.learning.resources import campaign
from tests.support.synth.rows import hazard, image_row, refused_row

MODE = "fire.night-clear.missed"


def image(number: int = 7, *, files: Collection[str] = ("full", "empty"), **changed: Any) -> GalleryImage:
    """A kept image as the campaign stores it and the API gives it."""
    made = hazard("fire", box=(64.0, 40.5, 96.0, 49.5), prompt="a <b>fire</b>", seed=17)
    row = image_row(f"{number:04d}", made, width=160, height=90)
    return _given(kept_image(row, campaign="C1", mode=MODE, thumbnail="t/a.jpg"), number, files, changed)


def refused(number: int = 8, reason: Refusal = Refusal.WRONG_CONTENT, **changed: Any) -> GalleryImage:
    """A refused hazard as the campaign stores it and the API gives it."""
    row = refused_row(f"{number:04d}/0", reason, prompt="a fire in a street", seed=23)
    return _given(refused_image(row, 3, campaign="C1", mode=MODE, class_name="fire"), number, (), changed)


def _given(
    stored: SyntheticImage, number: int, files: Collection[str], changed: Mapping[str, Any]
) -> GalleryImage:
    stored.id = number
    return GalleryImage.model_validate(image_with_files(stored, files).model_dump() | changed)


def words(markup: str) -> str:
    """The text of the markup, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def test_the_address_holds_filters_place_and_boxes() -> None:
    choice = GalleryChoice("no", "wrong_content", "40", boxes=False, mode="fire.night-clear.missed")
    assert GalleryChoice.of_query({k: v for k, v in choice.query().items() if v}) == choice
    assert {name: text for name, text in choice.filters().items() if text} == {
        "kept": "false", "reason": "wrong_content", "cursor": "40", "mode": "fire.night-clear.missed"
    }  # fmt: skip
    alike = GalleryChoice(duplicates=True)
    assert GalleryChoice.of_query({k: v for k, v in alike.query().items() if v}) == alike
    assert alike.filters()["duplicates"] == "true"
    fires = GalleryChoice(label="fire")
    assert GalleryChoice.of_query({k: v for k, v in fires.query().items() if v}) == fires
    assert fires.filters()["label"] == "fire"
    assert GalleryChoice.of_query({"kept": "perhaps"}) == GalleryChoice()


def test_boxes_are_drawn_from_their_corner_in_fractions() -> None:
    drawn = overlay(image()) or ""
    assert '<rect x="0.4000" y="0.4500" width="0.2000" height="0.1000"><title>fire</title>' in drawn
    assert overlay(image(labels=())) is None


def test_boxes_are_left_out_when_they_are_off() -> None:
    assert "<svg" in grid([image()], "C1", None, boxes=True)
    assert "<svg" not in grid([image()], "C1", None, boxes=False)


def test_the_selected_image_alone_is_marked() -> None:
    shown = grid([image(7), image(8)], "C1", 8, boxes=True)
    assert re.findall(r'data-image="(\d)" aria-pressed="true"', shown) == ["8"]


def test_images_come_from_the_page_s_own_server_alone() -> None:
    shown = grid([image()], "C1", None, boxes=True) + whole_image(image(), "C1", boxes=True)
    assert sorted(re.findall(r'src="([^"]+)"', shown)) == [
        "/campaign-images/C1/7/difference",
        "/campaign-images/C1/7/empty",
        "/campaign-images/C1/7/full",
        "/thumbnails/C1/7",
    ]


def test_a_view_without_a_file_is_left_out_and_none_is_stated() -> None:
    assert "/empty" not in whole_image(image(files=("full",)), "C1", boxes=True)
    assert "no files of this image any more" in whole_image(image(files=()), "C1", boxes=True)


def test_an_image_states_of_each_hazard_what_it_was_made_from_and_its_scores() -> None:
    text = words(whole_image(image(), "C1", boxes=True))
    assert "Hazard: fire prompt a <b>fire</b> seed 17 steps 20 guidance 3.0 sampler ddim scores" in text
    assert "strength 40.00, plan iou 1.00, reference score 0.81, reference iou 0.70, rival garbage" in text
    assert "background drawn:1 condition night-clear width 160 height 90" in text


def test_a_refused_image_states_its_reason_prompt_seed_and_scores_once() -> None:
    text = words(whole_image(refused(), "C1", boxes=True))
    assert "This refused image has no picture." in text
    assert "result refused: wrong content" in text
    assert "Hazard: fire prompt a fire in a street seed 23 steps 20 guidance 3.0 sampler ddim scores" in text
    assert "rival garbage, rival score 0.10" in text
    assert text.count("a fire in a street") == 1


def test_the_picture_of_a_refused_image_is_shown_and_its_absence_stated() -> None:
    pictured = refused(thumbnail="/api/v1/campaigns/C1/images/8/thumbnail")
    assert re.findall(r'src="([^"]+)"', whole_image(pictured, "C1", boxes=True)) == ["/thumbnails/C1/8"]
    assert re.findall(r'src="([^"]+)"', grid([pictured], "C1", None, boxes=True)) == ["/thumbnails/C1/8"]
    assert "no thumbnail wrong content" in words(grid([refused()], "C1", None, boxes=True))


def test_a_hazard_that_was_never_generated_states_no_seed() -> None:
    text = words(whole_image(refused(reason=Refusal.OUT_OF_BUDGET), "C1", boxes=True))
    assert "refused: out of budget" in text
    assert "Hazard" not in text
    assert "seed" not in text


def test_a_review_and_what_it_changes_are_stated_and_the_prompt_is_escaped() -> None:
    review = {
        "image": "0007", "verdict": "rejected", "reason": "", "by": "ana", "at": 5, "left_out": True
    }  # fmt: skip
    shown = whole_image(image(review=review), "C1", boxes=True)
    assert "rejected by ana, left out of the training" in shown
    assert "a &lt;b&gt;fire&lt;/b&gt;" in shown


def test_further_images_keep_the_filter() -> None:
    shown = pages_markup("C1", GalleryChoice("no", after="20"), "40", Scope())
    assert re.findall(r'href="([^"]+)"', shown) == [
        "/campaigns/C1/images?kept=no",
        "/campaigns/C1/images?kept=no&amp;after=40",
    ]


def test_near_duplicates_are_side_by_side_group_after_group() -> None:
    pair = [image(7, near_duplicates=(9,)), image(9, near_duplicates=(7,))]
    shown = duplicate_groups([*pair, image(3, near_duplicates=(4,))], "C1", None, boxes=False)
    groups = shown.split("<h3>")[1:]
    assert [re.findall(r'data-image="(\d)"', group) for group in groups] == [["7", "9"], ["3"]]
    assert groups[0].startswith("2 images with hazards that look nearly the same")
    assert "No near duplicates" in duplicate_groups([], "C1", None, boxes=False)


def test_an_image_in_full_has_its_near_duplicates_beside_it() -> None:
    shown = whole_image(image(near_duplicates=(9, 12)), "C1", boxes=True)
    assert "2 near duplicates" in shown
    assert re.findall(r'src="/thumbnails/C1/(\d+)"', shown) == ["9", "12"]


def test_images_are_filtered_by_failure_mode_reason_and_near_duplicates() -> None:
    running = campaign(
        modes=("fire.night-clear.missed", "smoke.day-fog.missed"), images_refused={"wrong_content": 3}
    )
    shown = filters_markup(running, GalleryChoice("no", "wrong_content"), Scope())
    links = re.findall(r'href="/campaigns/C1/images([^"]*)"', shown)
    assert "?duplicates=yes" in links
    assert "?kept=no&amp;reason=wrong_content&amp;mode=smoke.day-fog.missed" in links
    present = re.findall(r'aria-current="true">([^<]+)', shown)
    assert present == ["wrong content 3", "all failure modes", "all labels"]


def test_labels_are_those_of_the_failure_modes_and_of_the_images_shown() -> None:
    one_mode = campaign(modes=("smoke.day-fog.missed",))
    shown = filters_markup(one_mode, GalleryChoice(label="fire", after="9"), Scope(), [image()])
    links = re.findall(r'href="/campaigns/[^/]+/images([^"]*)"', shown)
    assert "?label=smoke" in links
    assert "?kept=yes&amp;label=fire" in links
    assert re.findall(r'aria-current="true">([^<]+)', shown) == ["all", "fire"]
    assert "all labels" not in filters_markup(one_mode, GalleryChoice(), Scope())
