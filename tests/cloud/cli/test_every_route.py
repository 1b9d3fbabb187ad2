"""What the API shows or changes, the command line shows or changes too."""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import typer

from cloud.api.app import ROUTERS
from cloud.cli.main import app
from tests.rules.test_commands import fault_of
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.cloud.sample_reports import NEW
from tests.support.command_line import Completed, blindspot

COMMANDS = {
    "GET /overview": "overview show",
    "GET /overview/trends": "overview trends",
    "GET /sites": "sites list",
    "GET /sites/{site}": "sites show",
    "PUT /sites/{site}": "sites add",
    "GET /site-groups": "sites groups",
    "PUT /sites/{site}/group": "sites group",
    "POST /site-groups/{group}/rename": "sites rename-group",
    "POST /sites/{site}/revoke": "sites revoke",
    "POST /sites/{site}/remove": "sites remove",
    "GET /sites/{site}/removal": "sites remove",
    "POST /sites/{site}/quarantine": "sites quarantine",
    "POST /sites/{site}/release": "sites release",
    "GET /cameras": "cameras list",
    "GET /places": "hazards places",
    "GET /ledger": "ledger show",
    "GET /ledger/days": "ledger days",
    "GET /sites/{site}/ledger": "ledger verify",
    "GET /sites/{site}/ledger/entries": "ledger export",
    "GET /hazards": "hazards list",
    "GET /hazards/{site}/{event}": "hazards show",
    "GET /hazards/{site}/{event}/deliveries": "hazards show",
    "PUT /hazards/{site}/{event}/status": "hazards acknowledge",
    "POST /sites/{site}/verdict-requests": "hazards missed",
    "GET /sites/{site}/verdict-requests/{number}": "hazards missed",
    "GET /verdict-requests": "hazards requests",
    "GET /dead-letters": "deadletters list",
    "GET /dead-letters/{letter}": "deadletters show",
    "POST /dead-letters/{letter}/replay": "deadletters replay",
    "GET /integrations": "integrations list",
    "POST /integrations/{name}/test": "integrations test",
    "GET /deliveries": "integrations deliveries",
    "POST /deliveries/{delivery}/replay": "integrations replay",
    "GET /failure-modes": "failures list",
    "GET /failure-modes/{mode}": "failures show",
    "GET /failure-modes/{mode}/cameras": "failures cameras",
    "GET /failure-modes/{mode}/history": "failures history",
    "POST /failure-modes/{mode}/assign": "failures assign",
    "GET /prototypes": "failures prototypes",
    "GET /misdetections": "misdetections list",
    "GET /classes": "classes list",
    "POST /classes": "classes add",
    "GET /campaigns": "campaign list",
    "POST /campaigns": "campaign start",
    "POST /campaigns/plan": "campaign plan",
    "GET /campaigns/{campaign}": "campaign show",
    "GET /campaigns/{campaign}/comparison": "campaign comparison",
    "GET /campaigns/{campaign}/evaluations": "campaign evaluations",
    "GET /campaigns/{campaign}/events": "campaign watch",
    "POST /campaigns/{campaign}/approve": "campaign approve",
    "POST /campaigns/{campaign}/cancel": "campaign cancel",
    "POST /campaigns/{campaign}/resume": "campaign resume",
    "GET /campaigns/{campaign}/images": "campaign images",
    "GET /campaigns/{campaign}/images/{image}/full": "campaign images",
    "GET /campaigns/{campaign}/images/{image}/empty": "campaign images",
    "GET /campaigns/{campaign}/images/{image}/difference": "campaign images",
    "GET /campaigns/{campaign}/images/{image}/thumbnail": "campaign images",
    "GET /campaigns/{campaign}/images/duplicates": "campaign duplicates",
    "PUT /campaigns/{campaign}/images/{image}/review": "campaign review",
    "POST /samples": "campaign samples",
    "GET /samples/{sample}": "campaign samples",
    "GET /samples/{sample}/sheet": "campaign samples",
    "GET /models": "models list",
    "GET /models/{digest}": "models show",
    "GET /models/{digest}/verification": "models verify",
    "GET /models/{digest}/card": "models card",
    "GET /models/{digest}/card.md": "models card",
    "GET /models/{digest}/lineage": "models lineage",
    "POST /models/{digest}/ticket": "models ticket",
    "DELETE /models/{digest}/ticket": "models ticket",
    "POST /teachers": "teacher publish",
    "GET /rollouts": "rollout list",
    "POST /rollouts": "rollout start",
    "GET /rollouts/{rollout}": "rollout status",
    "POST /rollouts/{rollout}/pause": "rollout pause",
    "POST /rollouts/{rollout}/resume": "rollout resume",
    "POST /rollouts/{rollout}/approve": "rollout approve",
    "POST /rollouts/{rollout}/stop": "rollout stop",
    "POST /rollouts/{rollout}/rollback": "rollout rollback",
    "GET /me": "users me",
    "GET /users": "users list",
    "POST /users": "users add",
    "PATCH /users/{user}": "users change",
    "GET /tokens": "tokens list",
    "POST /tokens": "tokens add",
    "DELETE /tokens/{token}": "tokens revoke",
    "GET /audit": "audit list",
    "GET /configuration": "cloud settings",
    "GET /configuration/schema": "config schema",
    "GET /events": "overview events",
}
OF_PAGES = {"POST /sessions", "DELETE /me/session", "POST /me/password", "POST /users/{user}/sessions"}
"""Logins and passwords of people, whom the command line has none of: it has the data folder's token."""


def test_every_route_of_the_api_has_a_command() -> None:
    routes = {
        f"{method} {route.path}"  # type: ignore[attr-defined]  # FastAPI's routes have both
        for router in ROUTERS
        for route in router.routes
        for method in route.methods  # type: ignore[attr-defined]
    }
    assert routes == set(COMMANDS) | OF_PAGES


@pytest.mark.parametrize("command", sorted(set(COMMANDS.values())))
def test_the_command_exists(command: str) -> None:
    assert typer.main.get_command(app) is not None
    assert fault_of(f"blindspot {command}") is None


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledCloud]:
    made = FilledCloud(tmp_path_factory.mktemp("cloud"))
    made.fill()
    made.trained()
    made.released()
    made.start()
    yield made
    made.close()


def _ask(cloud: FilledCloud, *arguments: object) -> Completed:
    done = blindspot(*arguments, "--data", cloud.folder.root)
    assert done.returncode == 0, done
    return done


def test_a_hazard_is_shown_with_its_deliveries(cloud: FilledCloud) -> None:
    first = json.loads(_ask(cloud, "hazards", "list", "--json").stdout)[0]
    shown = json.loads(_ask(cloud, "hazards", "show", first["site"], first["event"], "--json").stdout)
    assert shown == {**first, "deliveries": []}
    text = _ask(cloud, "hazards", "show", first["site"], first["event"])
    assert f"Hazard {first['event']} of {first['site']}" in text.stdout
    assert "Nothing of it was sent to an integration." in text.stderr


def test_misdetections_are_listed_by_class_and_kind_up_to_a_limit(cloud: FilledCloud) -> None:
    asked = ("misdetections", "list", "--class", "fire", "--evidence", "teacher", "--limit", 5, "--json")
    found = json.loads(_ask(cloud, *asked).stdout)
    assert {(one["class_name"], one["evidence"]) for one in found} == {("fire", "teacher")}
    assert len(found) == 5
    assert "Misdetections" in _ask(cloud, "misdetections", "list", "--limit", 3).stdout


@pytest.mark.parametrize("view", ["full", "thumbnail", "empty", "difference"])
def test_images_of_a_campaign_are_written_to_a_folder(cloud: FilledCloud, tmp_path: Path, view: str) -> None:
    arguments = (cloud.campaign, "--kept", "--out", tmp_path / "images", "--view", view)
    done = _ask(cloud, "campaign", "images", *arguments)
    written = sorted((tmp_path / "images").iterdir())
    assert len(written) == 45
    assert f"{tmp_path / 'images'}: 45 images" in done.stderr
    image = cv2.imread(str(written[0]))
    assert image is not None
    assert image.shape == (90, 160, 3)


def test_refused_images_are_written_small_by_their_names(cloud: FilledCloud, tmp_path: Path) -> None:
    arguments = (cloud.campaign, "--refused", "--out", tmp_path, "--view", "thumbnail")
    assert "15 images" in _ask(cloud, "campaign", "images", *arguments).stderr
    assert sorted(path.name for path in tmp_path.iterdir())[0] == "0003-0#0.jpg"


def test_an_image_whose_file_is_gone_is_counted_and_the_others_written(
    cloud: FilledCloud, tmp_path: Path
) -> None:
    (cloud.folder.campaign(cloud.campaign) / "thumbnails" / "0002.jpg").unlink()
    arguments = (cloud.campaign, "--kept", "--out", tmp_path, "--view", "thumbnail")
    done = _ask(cloud, "campaign", "images", *arguments)
    assert "44 images; 1 have no such file any more" in done.stderr


def test_hazards_of_images_are_listed_with_what_they_were_generated_from(cloud: FilledCloud) -> None:
    shown = _ask(cloud, "campaign", "images", cloud.campaign, "--refused", "--details").stdout
    (line,) = (line for line in shown.splitlines() if " 23 " in line)
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells[1:8] == ["not_confirmed", "fire", "a fire at night", "23", "20", "3.00", "ddim"]
    assert cells[8].startswith("plan iou 1.00, reference iou 0.70, reference score 0.81")
    found = json.loads(_ask(cloud, "campaign", "images", cloud.campaign, "--details", "--json").stdout)
    assert [hazard["seed"] for image in found for hazard in image["hazards"]] == list(range(60))


def test_a_model_the_comparison_the_settings_and_the_caller_are_shown(cloud: FilledCloud) -> None:
    assert NEW in _ask(cloud, "models", "show", NEW[:8]).stdout
    assert json.loads(_ask(cloud, "models", "show", NEW, "--json").stdout)["digest"] == NEW
    compared = json.loads(_ask(cloud, "campaign", "comparison", cloud.campaign, "--json").stdout)
    assert {one["role"] for one in compared} == {"holdout", "shadow:north"}
    assert "34 %" in _ask(cloud, "campaign", "comparison", cloud.campaign).stdout
    assert "failure_modes:" in _ask(cloud, "cloud", "settings").stdout
    assert "is admin" in _ask(cloud, "users", "me").stdout


def test_samples_are_refused_while_a_campaign_trains_and_no_file_is_written(
    cloud: FilledCloud, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.png"
    arguments = ("garbage.day-rain.missed", "--out", sheet, "--data", cloud.folder.root)
    done = blindspot("campaign", "samples", *arguments)
    assert (done.returncode, sheet.exists()) == (1, False)
    assert "samples are generated when" in done.stderr
