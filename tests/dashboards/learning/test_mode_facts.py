"""What a page states of one failure mode."""

from dashboards.learning.mode_facts import campaigns_table, changes_table, mode_facts, status_reason
from dashboards.learning.mode_names import mode_text, sources_text
from dashboards.scope import Scope
from tests.dashboards.learning.resources import NOW, history, mode


def test_the_status_has_the_reason_of_its_last_change() -> None:
    assert status_reason(mode(), history(), NOW) == "since 3 days: recall fell below 80 %"


def test_a_reason_of_another_status_is_not_shown() -> None:
    assert status_reason(mode(status="closed"), history(), NOW) == "since 3 days"


def test_sites_are_links_in_the_same_scope_and_the_rest_is_counted() -> None:
    shown = mode_facts(mode(sites=("north", "south"), site_count=7), history(), Scope("harbour"), NOW)
    assert '<a href="/sites/north?group=harbour">north</a>, <a href="/sites/south' in shown
    assert " and 5 more" in shown


def test_cameras_are_links_in_the_same_scope() -> None:
    shown = mode_facts(mode(), history(), Scope("harbour"), NOW)
    assert '<a href="/cameras/north/bridge?group=harbour">north/bridge</a>' in shown


def test_only_a_failure_mode_of_unknown_class_has_an_assigned_and_a_suggested_one() -> None:
    unknown = mode(class_name="unknown", suggested_class="fallen_person")
    assert "suggested class" in mode_facts(unknown, history(), Scope(), NOW)
    assert "fallen person" in mode_facts(unknown, history(), Scope(), NOW)
    assert "assigned class" not in mode_facts(mode(), history(), Scope(), NOW)


def test_text_from_the_cloud_is_never_markup() -> None:
    change = history().changes[0].model_copy(update={"reason": "<script>"})
    shown = changes_table(history(changes=(change,)), NOW)
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_campaigns_have_the_numbers_of_their_marks_the_latest_first() -> None:
    second = history().campaigns[0].model_copy(update={"campaign": "C2"})
    table = campaigns_table(history(campaigns=(*history().campaigns, second)), Scope(), NOW)
    assert table.index("<td>2</td>") < table.index("<td>1</td>")
    assert 'href="/campaigns/C2"' in table


def test_names_are_readable() -> None:
    assert mode_text("fallen_person.night-rain.missed") == "fallen person missed (night, rain)"
    assert sources_text({"motion": 2, "track_gap": 9}) == "track gap 9, motion 2"
