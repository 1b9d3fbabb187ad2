"""`blindspot hazards missed` and `requests`: what a person is told, and what a program gets."""

import json
import threading
import time
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from cloud.api.routes.verdict_requests import MEANINGS
from cloud.cli import hazards
from cloud.cli.main import app
from messaging.reports import AnswerOutcome, VerdictAnswer
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.cloud.sample_reports import received
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("wide")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledCloud]:
    found = FilledCloud(tmp_path_factory.mktemp("cloud"))
    found.start()
    yield found
    found.close()


def run(cloud: FilledCloud, *arguments: str) -> Result:
    cloud.beat()
    return CliRunner().invoke(app, ["hazards", *arguments, "--data", str(cloud.folder.root)])


def test_the_list_is_empty_with_the_command_to_run(cloud: FilledCloud) -> None:
    assert "`blindspot hazards missed SITE CAMERA CLASS` does" in run(cloud, "requests").stderr


def test_a_missed_hazard_is_reported_and_listed(cloud: FilledCloud) -> None:
    done = run(cloud, "missed", "north", "bridge", "fire", "--minutes-ago", "4")
    assert done.exit_code == 0, done.output
    (request,) = cloud.asked[-1].requests
    assert f"request {request.number} to site north: sent. {MEANINGS['sent']}" in done.stderr
    assert abs(time.time() - 240 - request.at_utc) <= 60
    listed = run(cloud, "requests").stdout
    for cell in (str(request.number), "bridge", "fire", "sent"):
        assert cell in listed


def test_a_program_gets_the_answer_that_it_waits_for(
    cloud: FilledCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hazards, "ANSWER_POLL_S", 0.05)
    before = len(cloud.asked)

    def answer() -> None:
        wait_until(lambda: len(cloud.asked) > before)
        number = cloud.asked[-1].requests[-1].number
        report = VerdictAnswer(request=number, outcome=AnswerOutcome.NOT_KEPT, minute_utc=0)
        cloud.reports.insert([received(report, "north")])

    site = threading.Thread(target=answer)
    site.start()
    done = run(cloud, "missed", "north", "market", "pothole", "--wait", "--json")
    site.join()
    found = json.loads(done.stdout)
    assert (found["state"], found["meaning"]) == ("not_kept", MEANINGS["not_kept"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("north", "harbour", "fire"), "site north has no camera harbour (it has bridge, market)"),
        (("north", "bridge", "dragon"), "dragon is no hazard class of this deployment"),
        (("north", "Bridge 7", "fire"), "camera 'Bridge 7': use lower-case letters"),
        (("nowhere", "bridge", "fire"), "site 'nowhere' is not known"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, cloud: FilledCloud
) -> None:
    done = run(cloud, "missed", *arguments)
    assert done.exit_code != 0
    assert sentence in f"{done.output}{done.exception}"


def test_an_id_that_is_none_is_explained_in_words(cloud: FilledCloud) -> None:
    done = run(cloud, "acknowledge", "north", "NOEVENT")
    assert "event: use an id of 26 digits and capital letters, as the lists show it" in str(done.exception)
