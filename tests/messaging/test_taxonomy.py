"""Classes are a deployment's choice, conditions a fixed vocabulary; both refuse unknown names."""

import pytest

from messaging.errors import ConfigurationError
from messaging.taxonomy import (
    DEFAULT_TAXONOMY,
    Condition,
    HazardClass,
    Light,
    Taxonomy,
    Weather,
    taxonomy_of,
)


def test_the_default_has_seven_classes_in_order() -> None:
    assert DEFAULT_TAXONOMY.names == (
        "fire",
        "smoke",
        "flood",
        "pothole",
        "garbage",
        "fallen_person",
        "stopped_vehicle",
    )
    assert [DEFAULT_TAXONOMY.index(name) for name in DEFAULT_TAXONOMY.names] == list(range(7))


def test_a_digest_identifies_names_and_their_order() -> None:
    assert taxonomy_of(DEFAULT_TAXONOMY.names).digest == DEFAULT_TAXONOMY.digest
    assert taxonomy_of(reversed(DEFAULT_TAXONOMY.names)).digest != DEFAULT_TAXONOMY.digest


@pytest.mark.parametrize("names", [(), ("fire", "fire"), ("fire", "unknown")])
def test_a_taxonomy_without_distinct_names_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="distinct"):
        Taxonomy(tuple(HazardClass(name, 3) for name in names))


def test_an_unknown_class_is_named_with_those_that_are_known() -> None:
    with pytest.raises(ConfigurationError, match=r"'volcano' is unknown.*fire"):
        DEFAULT_TAXONOMY.index("volcano")
    assert DEFAULT_TAXONOMY.severity("unknown") == 3
    assert DEFAULT_TAXONOMY.severity("fire") == 5
    assert taxonomy_of(["volcano"]).severity("volcano") == 3


@pytest.mark.parametrize("light", list(Light))
@pytest.mark.parametrize("weather", list(Weather))
def test_a_condition_is_written_and_read_back(light: Light, weather: Weather) -> None:
    condition = Condition(light, weather)
    assert Condition.parse(condition.key) == condition


@pytest.mark.parametrize("key", ["", "night", "rain-night", "night-hail", "night-rain-fog"])
def test_a_condition_outside_the_vocabulary_is_refused(key: str) -> None:
    with pytest.raises(ConfigurationError, match="LIGHT-WEATHER"):
        Condition.parse(key)
