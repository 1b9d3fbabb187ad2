"""The lineage of a model is drawn from its sites back to prompts, orders and misdetections."""

import re
from typing import Any

from dashboards.learning.lineage import export_markup, lineage_markup
from dashboards.scope import Scope
from messaging.api.lineage import LineageResource
from tests.support.dashboards.markup import text

MODE = "fire.night-clear.missed"
HAZARD = {"class_name": "fire", "prompt": "a <b>fire</b> at night", "seed": 4}


def lineage(**changed: Any) -> LineageResource:
    release = {"name": "second", "version": 2, "channel": "service", "signed_at": 5, "campaign": "C1"}
    image = {
        "mode": MODE, "set_digest": "d" * 64, "generator": "bundled", "background": "street",
        "hazards": (HAZARD,), "left_out": False,
    }  # fmt: skip
    fields: dict[str, Any] = {
        "digest": "a" * 64, "weights_digest": "w" * 64, "sites": ("north",),
        "parents": ({"digest": "a" * 64, **release}, {"digest": "b" * 64, **release, "version": 1}),
        "rollouts": ("r1",),
        "campaign": {
            "id": "C1", "state": "done", "started_by": "ana", "reason": "", "created_at": 1, "ended_at": 2
        },
        "failure_modes": (
            {"id": MODE, "class_name": "fire", "condition": "night-clear", "kind": "missed",
             "misdetections": 92, "sources": {"teacher": 61}, "sites": ("north", "south")},
        ),
        "orders": (
            {"mode": MODE, "order": "O1", "digest": "e" * 64, "class_name": "fire",
             "condition": "night-clear", "count": 60, "seed": 7, "prototype_used": True,
             "set_digest": "d" * 64, "images": 45},
        ),
        "trained_on": {"sets": [{"role": "base", "name": "streets", "images": 90}]}, "images_kept": 45,
        "images": ({"id": 1, "name": "i1", **image}, {"id": 2, "name": "i2", **image, "left_out": True}),
        "next": None, "notes": ("a note",),
    }  # fmt: skip
    return LineageResource.model_validate(fields | changed)


def test_the_drawing_leads_from_the_sites_to_the_misdetections() -> None:
    shown = text(lineage_markup(lineage(), Scope()))
    steps = ("Sites north", "release aaaaaaaa , version 2", "parent bbbbbbbb", "rollout r1", "C1", "ana",
             "base: streets, 90 images", "Labelled set dddddddd 45 images", "1 left out of the training",
             "a <b>fire</b> at night", "O1 : 60 images, seed 7, with a proto", "92 missed at north , south",
             "teacher 61", "a note")  # fmt: skip
    places = [shown.index(step) for step in steps]
    assert places == sorted(places)


def test_every_step_leads_to_its_page_and_prompts_are_escaped() -> None:
    markup = lineage_markup(lineage(), Scope())
    links = set(re.findall(r'href="([^"]+)"', markup))
    assert {
        "/sites/north", "/sites/south", f"/models/{'b' * 64}", "/campaigns/C1", "/rollouts/r1",
        f"/failure-modes/{MODE}",
    } <= links  # fmt: skip
    assert 'src="/thumbnails/C1/1"' in markup
    assert "<b>fire" not in markup


def test_a_model_without_a_campaign_says_so() -> None:
    markup = lineage_markup(
        lineage(sites=(), campaign=None, failure_modes=(), orders=(), images=(), trained_on=None), Scope()
    )
    shown = text(markup)
    assert "no site runs it" in shown
    assert "none made it" in shown


def test_a_failure_mode_of_which_nothing_was_generated_yet_has_its_lane() -> None:
    shown = text(lineage_markup(lineage(orders=(), images=()), Scope()))
    assert "Labelled set none yet Images none Prompts none Order none Misdetections 92 missed" in shown


def test_the_whole_lineage_is_one_file_of_this_server() -> None:
    assert 'href="/lineages/aa.json"' in export_markup("aa")
