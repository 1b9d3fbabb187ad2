"""What every client sends to a cloud, and reads of its refusals."""

import pytest

from messaging.api.gallery import ImageReviewRequest
from messaging.cloud_requests import content_of, given, page_of, refusal_of, whole_path
from messaging.release_resources import TicketRequest
from messaging.resources import CampaignRequest, SiteResource


def test_a_body_has_what_was_set_also_to_a_default_or_to_none() -> None:
    assert content_of(TicketRequest(days=7.0)) == '{"days":7.0}'
    assert content_of(CampaignRequest(top=1, seed=None)) == '{"top":1,"seed":null}'
    assert content_of(ImageReviewRequest(verdict=None)) == '{"verdict":null}'


def test_what_was_not_set_is_left_to_the_cloud() -> None:
    assert content_of(TicketRequest()) == "{}"
    assert content_of(None) is None


def test_paths_are_below_the_version_unless_they_are_whole() -> None:
    assert (whole_path("sites"), whole_path("/healthz")) == ("/api/v1/sites", "/healthz")
    assert given({"limit": 0, "cursor": None, "online": False}) == {"limit": 0, "online": False}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"<html>", b"null", b"[" * 100_000])
def test_an_answer_that_is_no_problem_has_no_sentence(content: bytes) -> None:
    assert refusal_of(content) is None
    assert refusal_of(b'{"detail": "no such site"}') == "no such site"


def test_a_page_is_read_with_the_type_of_its_items() -> None:
    page = page_of(SiteResource).model_validate({"items": [{"site": "north", "online": True}], "next": "c"})
    assert page.items[0].site == "north"
