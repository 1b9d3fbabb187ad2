"""Classes are a deployment's choice, conditions a fixed vocabulary; both refuse unknown names."""

from pathlib import Path

import pytest

from messaging.errors import ConfigurationError
from messaging.hazard_classes import HazardPlace, HazardRule, LabelRule, TypicalBox
from messaging.taxonomy import (
    DEFAULT_TAXONOMY,
    SHIPPED_CLASSES,
    Condition,
    Light,
    Taxonomy,
    Weather,
    read_taxonomy,
    taxonomy_of,
)


def test_a_digest_identifies_names_and_their_order() -> None:
    assert taxonomy_of(DEFAULT_TAXONOMY.names).digest == DEFAULT_TAXONOMY.digest
    assert taxonomy_of(reversed(DEFAULT_TAXONOMY.names)).digest != DEFAULT_TAXONOMY.digest


def test_a_taxonomy_without_distinct_names_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one"):
        Taxonomy(())
    with pytest.raises(ConfigurationError, match="must be distinct, but 'fire' is there 2 times"):
        taxonomy_of(("fire", "smoke", "fire"))
    with pytest.raises(ValueError, match="'unknown' names detections without a class"):
        taxonomy_of(("fire", "unknown"))


OWN = """
classes:
  - name: fallen_tree
    severity: 4
    words: [a fallen tree, a broken tree]
    place: road
    rule: {persistence_s: 5, cool_down_s: 600, zones: [street]}
  - {name: graffiti, severity: 1, words: [graffiti], place: wall}
"""


def test_a_file_describes_classes_and_defaults_fill_the_rest(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(OWN)
    found = read_taxonomy(tmp_path / "classes.yaml")
    tree, graffiti = found.classes
    assert found.names == ("fallen_tree", "graffiti")
    assert (tree.place, tree.label, tree.rule.cool_down_s) == (HazardPlace.ROAD, LabelRule.RIGID, 600)
    assert (tree.rule.zones, tree.amorphous) == (("street",), False)
    assert (graffiti.place, graffiti.rule, graffiti.box) == (HazardPlace.WALL, HazardRule(), TypicalBox())


def test_the_shipped_classes_are_such_a_file() -> None:
    assert read_taxonomy(SHIPPED_CLASSES) == DEFAULT_TAXONOMY
    assert {c.name for c in DEFAULT_TAXONOMY.classes if c.amorphous} == {"fire", "smoke", "flood"}


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("name: graffiti", "name: fallen_tree", r"line 2: classes: .*names .*'fallen_tree' is there 2 times"),
        ("words: [graffiti]", "words: [a fallen tree]", r"words .*distinct, but 'a fallen tree' is there 2"),
        ("words: [graffiti], ", "", r"line 8: classes\.1: class 'graffiti' has no words for prompts; add"),
        ("words: [graffiti]", "words: []", r"class 'graffiti' has no words for prompts"),
        (
            "words: [graffiti]",
            "words: ['x, y']",
            r"classes\.1\.words\.0: 'x, y' is not allowed here; write 2 to",
        ),
        (
            "place: wall",
            "place: roof",
            r"classes\.1\.place: Input should be 'ground', 'road', 'wall', 'vehicle'",
        ),
        ("place: wall", "plaec: wall", r"line 8: unknown key 'classes\.1\.plaec'; did you mean 'place'\?"),
        ("severity: 1", "severity: 9", r"classes\.1\.severity: Input should be less than or equal to 5"),
        (
            "name: graffiti",
            "name: Graffiti",
            r"classes\.1\.name: 'Graffiti' is not allowed here; write lower-case",
        ),
        ("name: graffiti", "name: unknown", r"'unknown' names detections without a class; choose another"),
        ("persistence_s: 5", "persistence_s: -1", r"rule\.persistence_s: .*greater than or equal to 0"),
        (
            "place: wall",
            "box: {aspect: [3, 1]}",
            r"aspect is lowest and highest width over height, 0\.1 to 10",
        ),
    ],
)
def test_bad_classes_are_refused_in_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in OWN
    (tmp_path / "classes.yaml").write_text(OWN.replace(old, new))
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        read_taxonomy(tmp_path / "classes.yaml")
    assert "classes.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", r"classes: this key is missing"),
        ("classes: []", r"at least one"),
        ("classes: [fire]", r"classes\.0: expected a section"),
        ("- name: fire", r"expected keys and values at the top"),
    ],
)
def test_a_file_without_classes_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "classes.yaml").write_text(content)
    with pytest.raises(ConfigurationError, match=sentence):
        read_taxonomy(tmp_path / "classes.yaml")


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
