"""The client of the command line: every failure is one sentence with what to do."""

import json
from pathlib import Path

import httpx
import pytest

from cloud.api import client as client_module
from cloud.api.client import RemoteCloud
from cloud.errors import BadRequest, CloudError, CloudUnreachable, NotKnown, NotNow
from cloud.settings import DataFolder
from messaging.cloud_address import CloudAddress
from messaging.resources import CampaignResource, LedgerResource

CLOUD = CloudAddress("http://cloud", "t")
NOBODY = CloudAddress("http://127.0.0.1:1", "t")


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Response]:
    """Answers that the client receives in turn; an exception is raised instead of being returned."""
    answers: list[httpx.Response] = []
    plain = httpx.Client

    def handle(request: httpx.Request) -> httpx.Response:
        return answers.pop(0)

    def make(**arguments: object) -> httpx.Client:
        return plain(**arguments, transport=httpx.MockTransport(handle))  # type: ignore[arg-type]

    monkeypatch.setattr(client_module.httpx, "Client", make)
    return answers


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, BadRequest), (404, NotKnown), (409, NotNow), (422, BadRequest), (401, CloudUnreachable)],
)
def test_a_problem_document_becomes_the_error_with_its_sentence(
    status: int, error: type[CloudError], answering: list[httpx.Response]
) -> None:
    answering.append(httpx.Response(status, json={"detail": "what is wrong"}))
    with RemoteCloud(CLOUD) as cloud, pytest.raises(error, match="what is wrong"):
        cloud.get("campaigns/C1", CampaignResource)


def test_an_answer_that_is_no_problem_document_is_named_by_status_and_path(
    answering: list[httpx.Response],
) -> None:
    answering.append(httpx.Response(502, text="bad gateway"))
    with (
        RemoteCloud(CLOUD) as cloud,
        pytest.raises(CloudUnreachable, match="502 to /api/v1/x"),
    ):
        cloud.get("x", CampaignResource)


def test_a_refused_watch_is_the_same_error(answering: list[httpx.Response]) -> None:
    answering.append(httpx.Response(404, json={"detail": "campaign 'x' is not known"}))
    with (
        RemoteCloud(CLOUD) as cloud,
        pytest.raises(NotKnown, match="'x' is not known"),
    ):
        list(cloud.watch("x"))


def test_all_pages_of_a_list_are_read_in_turn(answering: list[httpx.Response]) -> None:
    def page(kind: str, cursor: str | None) -> httpx.Response:
        row = {"site": "harbour", "kind": kind, "count": 1, "length_bytes": 9}
        return httpx.Response(200, json={"items": [row], "next": cursor})

    answering += [page("hazard", "c1"), page("recall", None)]
    with RemoteCloud(CLOUD) as cloud:
        assert [row.kind for row in cloud.page("ledger", LedgerResource)] == ["hazard", "recall"]


@pytest.mark.parametrize("watched", [False, True])
def test_a_cloud_that_does_not_answer_is_named_with_its_address(watched: bool) -> None:
    sentence = r"the cloud at http://127\.0\.0\.1:1 does not answer"
    with (
        RemoteCloud(NOBODY) as cloud,
        pytest.raises(CloudUnreachable, match=sentence),
    ):
        _ = list(cloud.watch("C1")) if watched else cloud.get("sites", CampaignResource)


@pytest.mark.parametrize(
    ("address", "remedy"),
    [
        (None, "start it with `blindspot cloud run --data"),
        ("{", "not valid JSON"),
        ("{}", "restart the cloud"),
    ],
)
def test_a_folder_without_an_address_has_no_running_cloud(
    address: str | None, remedy: str, tmp_path: Path
) -> None:
    if address is not None:
        DataFolder(tmp_path).address.write_text(address)
    with pytest.raises(CloudUnreachable, match=remedy):
        RemoteCloud.of_folder(tmp_path)


def test_address_and_token_are_read_from_the_data_folder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.address.write_text(json.dumps({"url": "http://127.0.0.1:8750"}))
    folder.token.write_text("s" * 43 + "\n")
    with RemoteCloud.of_folder(tmp_path) as cloud:
        assert cloud.url == "http://127.0.0.1:8750"


@pytest.mark.parametrize("content", ["<html>a router</html>", "", "[]", '{"id": 7}'])
def test_another_program_at_the_address_is_one_sentence(
    content: str, answering: list[httpx.Response]
) -> None:
    answering.append(httpx.Response(200, text=content))
    with (
        RemoteCloud(CLOUD) as cloud,
        pytest.raises(CloudUnreachable, match="what answers at http://cloud is no Blindspot cloud"),
    ):
        cloud.get("campaigns/C1", CampaignResource)


@pytest.mark.parametrize("problem", ['"text"', "[1]", "null"])
def test_a_refusal_of_another_form_is_named_by_its_status(
    problem: str, answering: list[httpx.Response]
) -> None:
    answering.append(httpx.Response(500, text=problem))
    with (
        RemoteCloud(CLOUD) as cloud,
        pytest.raises(CloudUnreachable, match="answered 500"),
    ):
        cloud.get("x", CampaignResource)
