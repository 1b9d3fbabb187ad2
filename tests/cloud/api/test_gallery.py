"""Generated images over the REST API: labels, views, reviews, near duplicates."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from cloud.campaigns.image_stages import kept_image, refused_image
from cloud.store.records import CampaignPlan, CampaignStage, StageState, SyntheticImage
from messaging.access_resources import NewUser, UserRole
from messaging.api.gallery import GalleryImage, GeneratedHazard, ImageReviewResource, NearDuplicatesResource
from messaging.resources import Page
from synth.selection.filters import Refusal
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.synth.rows import hazard, image_row, refused_row

MODE, PASSWORD = "fire.night-clear.missed", "correct horse battery"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[FilledCloud]:
    """Three images: two alike with all files, one refused."""
    found = FilledCloud(tmp_path / "data")
    found.campaign = "C1"
    found.rows.create("C1", CampaignPlan((MODE,), 2), started_by="a test")
    folder = found.folder.campaign("C1") / "set"
    images = []
    for n in range(2):
        for part, value in (("images", 90), ("empty", 60), ("thumbnails", 90)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / part / f"i{n}.jpg"), np.full((40, 80, 3), value, np.uint8))
        made = hazard("fire", box=(20, 10, 40, 30), prompt="a fire", seed=n, fingerprint="00" * 31 + f"0{n}")
        row = image_row(f"i{n}", made, width=80, height=40)
        thumbnail = (folder / "thumbnails" / f"i{n}.jpg").relative_to(found.folder.root).as_posix()
        images.append(kept_image(row, campaign="C1", mode=MODE, thumbnail=thumbnail))
    refused = refused_row("i9/0", Refusal.WRONG_CONTENT, prompt="a dark fire", seed=23)
    images.append(refused_image(refused, 0, campaign="C1", mode=MODE, class_name="fire"))
    found.rows.put_images(images)
    yield found
    found.close_store()


class Api:
    def __init__(self, cloud: FilledCloud) -> None:
        self.client = TestClient(cloud.app, base_url="http://test/api/v1/")
        self.token = cloud.token

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.client.request(method, f"campaigns/C1/images{path}", json=body, headers=headers)

    def images(self) -> list[GalleryImage]:
        return list(Page[GalleryImage].model_validate(self("GET", "").json()).items)

    def review(self, image: int, verdict: str | None, reason: str = "") -> ImageReviewResource:
        answer = self("PUT", f"/{image}/review", {"verdict": verdict, "reason": reason})
        assert answer.status_code == 200, answer.text
        return ImageReviewResource.model_validate(answer.json())


@pytest.fixture
def api(cloud: FilledCloud) -> Api:
    return Api(cloud)


def test_images_are_listed_by_the_class_of_a_box(api: Api) -> None:
    found = Page[GalleryImage].model_validate(api("GET", "?label=fire").json())
    assert [one.name for one in found.items] == ["i0", "i1"], "the refused image has no box"
    assert api("GET", "?label=flood").json()["items"] == []
    assert api("GET", "?label=" + "x" * 161).status_code == 422


def test_an_image_has_its_labels_as_fractions_and_the_views_that_there_are(api: Api) -> None:
    first, _, refused = api.images()
    (label,) = first.labels
    assert (label.class_name, label.box) == ("fire", (0.375, 0.5, 0.25, 0.5))
    assert (first.width, first.height) == (80, 40)
    assert (refused.full, refused.empty, refused.difference, refused.labels) == (None, None, None, ())
    for view in ("full", "empty", "difference"):
        answer = api("GET", f"/{first.id}/{view}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    pixels = cv2.imdecode(np.frombuffer(api("GET", f"/{first.id}/difference").content, np.uint8), 1)
    assert abs(int(pixels.mean()) - 4 * 30) <= 2
    for view in ("full", "empty", "difference"):
        assert api("GET", f"/{refused.id}/{view}").status_code == 404


def test_an_image_has_what_its_hazards_were_generated_from_and_their_scores(api: Api) -> None:
    _, second, refused = api.images()
    measured = {
        "strength": 40.0, "plan_iou": 1.0, "reference_score": 0.812, "reference_iou": 0.7,
        "rival": "garbage", "rival_score": 0.1,
    }  # fmt: skip
    (kept,) = second.hazards
    assert kept == GeneratedHazard(
        class_name="fire", prompt="a fire", seed=1, sampler="ddim", steps=20, guidance=3.0, scores=measured
    )
    assert refused.hazards == (kept.model_copy(update={"prompt": "a dark fire", "seed": 23}),)


def test_a_refused_image_of_an_earlier_version_has_prompt_and_seed_alone(
    cloud: FilledCloud, api: Api
) -> None:
    stored = {"prompt": "a fire", "seed": 4, "scores": {}}
    cloud.rows.put_images([SyntheticImage("C1", "i8/0#1", MODE, False, "duplicate", "", stored)])
    assert api.images()[-1].hazards == (GeneratedHazard(prompt="a fire", seed=4),)


def test_an_image_of_an_earlier_version_has_no_empty_view(cloud: FilledCloud, api: Api) -> None:
    (cloud.folder.campaign("C1") / "set" / "empty" / "i0.jpg").unlink()
    first = api.images()[0]
    assert (first.full is None, first.empty, first.difference) == (False, None, None)
    assert "no file for its empty view" in api("GET", f"/{first.id}/difference").json()["detail"]


def test_a_thumbnail_outside_of_the_campaigns_shows_no_file(cloud: FilledCloud, api: Api) -> None:
    (cloud.folder.root / "images").mkdir()
    (cloud.folder.root / "images" / "x.jpg").write_bytes(b"secret")
    wrong = SyntheticImage("C1", "x", MODE, True, "", "thumbnails/x.jpg")
    cloud.rows.put_images([wrong])
    found = api.images()[-1]
    assert found.full is None
    assert api("GET", f"/{found.id}/full").status_code == 404


def test_a_rejection_before_the_training_leaves_the_image_out_and_can_be_taken_back(
    cloud: FilledCloud, api: Api
) -> None:
    first, second, refused = api.images()
    made = api.review(first.id, "rejected", "the fire floats")
    assert (made.verdict, made.left_out, made.reason) == ("rejected", True, "the fire floats")
    assert "has not begun" in made.note
    shown = api.images()[0].review
    assert shown is not None
    assert (shown.verdict, shown.by, shown.left_out) == ("rejected", made.by, True)
    reviews = cloud.services.histories.reviews
    assert reviews.left_out("C1") == ["i0"]
    assert not api.review(first.id, None).left_out
    assert not api.review(second.id, "accepted").left_out
    assert not api.review(refused.id, "rejected").left_out
    assert reviews.left_out("C1") == []


def test_after_the_training_has_begun_a_review_changes_nothing_and_says_so(
    cloud: FilledCloud, api: Api
) -> None:
    first, second, _ = api.images()
    api.review(first.id, "rejected")
    cloud.rows.begin_stage("C1", CampaignStage.TRAIN, "a")
    late, undone = api.review(second.id, "rejected"), api.review(first.id, None)
    assert "changes nothing in it" in late.note
    assert (late.left_out, undone.left_out) == (False, True)
    reviews = cloud.services.histories.reviews
    assert reviews.left_out("C1") == ["i0"]
    cloud.rows.end_stage("C1", CampaignStage.TRAIN, "a", state=StageState.DONE)
    assert reviews.left_out("C2") == ["i1"], "a later campaign leaves out what is rejected by then"


def test_what_is_no_review_is_refused(cloud: FilledCloud, api: Api) -> None:
    first = api.images()[0]
    assert api("PUT", f"/{first.id}/review", {"verdict": "maybe"}).status_code == 422
    assert api("PUT", f"/{first.id}/review", {"verdict": "rejected", "reason": "x" * 501}).status_code == 422
    assert api("PUT", "/999/review", {"verdict": "rejected"}).status_code == 404
    cloud.accounts.add_user(NewUser(name="ana", role=UserRole.OPERATOR, password=PASSWORD))
    api.token = cloud.accounts.log_in("ana", PASSWORD, "here")[1].bearer
    assert api("PUT", f"/{first.id}/review", {"verdict": "rejected"}).status_code == 403


def test_near_duplicates_are_groups_of_ids(api: Api) -> None:
    first, second, _ = api.images()
    found = NearDuplicatesResource.model_validate(api("GET", "/duplicates").json())
    assert (found.images, [group.images for group in found.groups]) == (2, [(first.id, second.id)])
    assert NearDuplicatesResource.model_validate(api("GET", "/duplicates?bits=0").json()).groups == ()


def test_a_list_of_near_duplicates_has_them_group_after_group_and_page_after_page(
    cloud: FilledCloud, api: Api
) -> None:
    first, second, refused = api.images()
    assert (first.near_duplicates, second.near_duplicates, refused.near_duplicates) == (
        (second.id,), (first.id,), ()
    )  # fmt: skip
    one = Page[GalleryImage].model_validate(api("GET", "?duplicates=true&limit=1").json())
    two = Page[GalleryImage].model_validate(api("GET", f"?duplicates=true&limit=1&cursor={one.next}").json())
    assert ([image.id for image in (*one.items, *two.items)], two.next) == ([first.id, second.id], None)
    assert api("GET", "?duplicates=true&mode=smoke.day-fog.missed").json() == {"items": [], "next": None}
    assert api("GET", "?duplicates=true&cursor=x").status_code == 400
