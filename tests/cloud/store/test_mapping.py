"""Records as values, and the text that their columns hold."""

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite

from cloud.store.mapping import ConditionKey, Json
from cloud.store.records import CampaignPlan, ModeState, ModeStatus, SyntheticImage
from messaging.taxonomy import Condition, Light, Weather

DIALECT = sqlite.dialect()


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (Mapping[str, Any], {"b": 1, "a": [0.1, None]}, '{"a":[0.1,null],"b":1}'),
        (tuple[float, ...], (0.1, -2.0), "[0.1,-2.0]"),
        (
            CampaignPlan,
            CampaignPlan(("m",), 5),
            '{"count":5,"incumbent_digest":null,"modes":["m"],"options":{},"seed":null}',
        ),
    ],
)
def test_a_json_column_gives_back_the_value_and_equal_values_have_equal_text(
    kind: Any, value: Any, text: str
) -> None:
    column = Json(kind)
    assert column.process_bind_param(value, DIALECT) == text
    assert column.process_result_value(text, DIALECT) == value


def test_a_plan_that_was_damaged_in_the_database_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one image per mode"):
        Json(CampaignPlan).process_result_value('{"modes":["m"],"count":0}', DIALECT)


def test_a_condition_column_holds_its_key() -> None:
    fog = Condition(Light.DAY, Weather.FOG)
    assert ConditionKey().process_bind_param(fog, DIALECT) == "day-fog"
    assert ConditionKey().process_result_value("day-fog", DIALECT) == fog


def test_records_are_compared_by_their_fields_and_copied_with_changes() -> None:
    state = ModeState("m", ModeStatus.OPEN, 1)
    assert state == ModeState("m", ModeStatus.OPEN, 1)
    assert replace(state, since=2) != state
    assert state.since == 1


def test_a_field_that_has_a_value_is_never_set_again() -> None:
    state = ModeState("m", ModeStatus.OPEN, 1)
    with pytest.raises(FrozenInstanceError, match=r"ModeState\.since is set; make another with `replace`"):
        state.since = 2


def test_the_values_of_a_record_hold_defaults_and_no_key_that_the_database_gives() -> None:
    image = SyntheticImage("C1", "a", "m", True)
    assert image.values() == {
        "campaign": "C1", "name": "a", "mode": "m", "kept": True,
        "reason": "", "thumbnail": "", "provenance": {},
    }  # fmt: skip
    image.id = 4
    assert image.values()["id"] == 4
