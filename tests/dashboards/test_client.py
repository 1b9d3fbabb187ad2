"""The page's client: sends its token, reads every page of a list, reports errors in one sentence."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import httpx
import pytest

from dashboards.client import CloudClient
from dashboards.errors import CloudLost, CloudRefused, NotInThisState, NotThere
from messaging.api.gallery import ImageReviewRequest, ImageReviewResource
from messaging.cloud_address import CloudAddress
from messaging.resources import (
    CampaignRequest,
    CampaignResource,
    HazardResource,
    OverviewResource,
    SiteResource,
)

T = TypeVar("T")
ADDRESS = CloudAddress("http://127.0.0.1:8750", "secret")
OVERVIEW = {
    "sites": 2, "sites_online": 1, "hazards_in_24_h": 3, "open_failure_modes": 4, "campaigns_running": 0,
    "sites_on_current_model": 2, "current_model": None,
}  # fmt: skip


def requested(
    answer: Callable[[httpx.Request], httpx.Response],
    read: Callable[[CloudClient], Coroutine[Any, Any, T]],
) -> T:
    async def run() -> T:
        async with CloudClient(ADDRESS, transport=httpx.MockTransport(answer)) as client:
            return await read(client)

    return asyncio.run(run())


def site(name: str) -> dict[str, Any]:
    return {"site": name, "online": True}


def test_every_request_carries_the_token_as_a_bearer_token() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=OVERVIEW)

    overview = requested(answer, lambda client: client.get("overview", OverviewResource))
    assert overview.open_failure_modes == 4
    assert requests[0].headers["authorization"] == "Bearer secret"
    assert requests[0].url.path == "/api/v1/overview"


def test_the_token_is_not_in_what_is_logged_of_an_address() -> None:
    assert "secret" not in repr(ADDRESS)


def test_a_list_is_read_page_after_page() -> None:
    pages = {None: (["a", "b"], "2"), "2": (["c"], "3"), "3": (["d"], None)}

    def answer(request: httpx.Request) -> httpx.Response:
        names, following = pages[request.url.params.get("cursor")]
        return httpx.Response(200, json={"items": [site(name) for name in names], "next": following})

    found = requested(answer, lambda client: client.all_items("sites", SiteResource))
    assert [one.site for one in found] == ["a", "b", "c", "d"]


def test_a_list_without_an_end_is_refused() -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"items": [], "next": "again"})

    with pytest.raises(CloudRefused, match="does not end after 50 pages"):
        requested(answer, lambda client: client.all_items("sites", SiteResource))
    with pytest.raises(CloudRefused, match="does not end after 50 pages"):
        requested(answer, lambda client: client.first_items("sites", SiteResource, 3))


def test_of_a_long_list_only_as_much_is_read_as_is_wanted() -> None:
    queries: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        queries.append(str(request.url.params))
        names = [f"s{n}" for n in range(int(request.url.params["limit"]))]
        return httpx.Response(200, json={"items": [site(name) for name in names], "next": "on"})

    found = requested(answer, lambda client: client.first_items("sites", SiteResource, 600))
    assert (len(found.items), found.next) == (600, "on")
    assert queries == ["limit=500", "limit=100&cursor=on"]


def test_only_the_first_page_is_read_when_that_is_enough() -> None:
    queries: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        queries.append(str(request.url.params))
        return httpx.Response(200, json={"items": [], "next": "more"})

    requested(answer, lambda client: client.page("hazards", HazardResource, limit=12))
    assert queries == ["limit=12"]


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_a_lost_cloud_is_one_sentence_with_the_address_and_what_to_check(
    error: type[httpx.HTTPError],
) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        raise error("no")  # type: ignore[call-arg]

    with pytest.raises(CloudLost) as caught:
        requested(answer, lambda client: client.get("overview", OverviewResource))
    assert str(caught.value) == (
        f"the cloud at http://127.0.0.1:8750 does not answer ({error.__name__}); "
        "is `blindspot cloud run` running?"
    )


def test_a_refusal_repeats_the_sentence_of_the_cloud() -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(403, json={"detail": "not allowed"})

    with pytest.raises(CloudRefused, match="answered 403 to /api/v1/overview: not allowed"):
        requested(answer, lambda client: client.get("overview", OverviewResource))


@pytest.mark.parametrize(("status", "error"), [(404, NotThere), (409, NotInThisState)])
def test_a_refusal_about_an_object_is_the_sentence_of_the_cloud_alone(
    status: int, error: type[CloudRefused]
) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"detail": "campaign C is done"})

    with pytest.raises(error, match=r"^campaign C is done$"):
        requested(answer, lambda client: client.get("campaigns/C", CampaignResource))


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"detail": null}'])
def test_a_refusal_without_a_sentence_is_a_refusal_still(body: bytes) -> None:
    with pytest.raises(CloudRefused, match="answered 500"):
        requested(lambda _: httpx.Response(500, content=body), lambda c: c.get("overview", OverviewResource))


def test_a_response_of_another_version_is_refused() -> None:
    with pytest.raises(CloudRefused, match="install the same version of both"):
        requested(
            lambda _: httpx.Response(200, json={"sites": 2}), lambda c: c.get("overview", OverviewResource)
        )


def test_a_thumbnail_that_is_no_jpeg_is_refused() -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"<svg onload=x>", headers={"content-type": "image/svg+xml"})

    with pytest.raises(CloudRefused, match="no JPEG as thumbnail 7"):
        requested(answer, lambda client: client.image_view("C", 7, "thumbnail"))


def test_a_cloud_with_another_token_is_lost_so_that_the_token_is_read_again() -> None:
    with pytest.raises(CloudLost, match="has another token by now"):
        requested(lambda _: httpx.Response(401), lambda client: client.page("sites", SiteResource))


def test_what_starts_work_is_sent_with_its_idempotency_key_and_what_was_set() -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(500)

    body = CampaignRequest(modes=("fire.night-clear.missed",), top=1)
    with pytest.raises(CloudRefused):
        requested(answer, lambda client: client.send("POST", "campaigns", CampaignResource, body, key="k-1"))
    assert sent[0].headers["Idempotency-Key"] == "k-1"
    assert sent[0].content == b'{"modes":["fire.night-clear.missed"],"top":1}'


def test_a_required_field_without_a_value_is_sent() -> None:
    sent: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        return httpx.Response(500)

    body = ImageReviewRequest(verdict=None)
    with pytest.raises(CloudRefused):
        requested(answer, lambda client: client.send("PUT", "review", ImageReviewResource, body))
    assert sent == [b'{"verdict":null}']


def test_a_change_without_an_answer_and_a_document_as_text_are_no_resources() -> None:
    assert (
        requested(lambda _: httpx.Response(204), lambda client: client.change("DELETE", "tokens/a")) is None
    )
    sent = requested(
        lambda _: httpx.Response(200, text="# card"), lambda client: client.text("models/a/card.md")
    )
    assert sent == "# card"
    with pytest.raises(CloudRefused, match="there is no token"):
        requested(
            lambda _: httpx.Response(404, json={"detail": "there is no token 'a'"}),
            lambda client: client.change("DELETE", "tokens/a"),
        )
