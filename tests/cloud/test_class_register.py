"""Classes that are added while the cloud runs: kept at the end, described once, refused when they clash."""

from pathlib import Path

import pytest

from cloud.class_register import ClassRegister
from cloud.settings import CloudSettings
from messaging.errors import ConfigurationError, StateFileBroken
from messaging.hazard_classes import HazardClass
from messaging.taxonomy import DEFAULT_TAXONOMY

TREE = HazardClass(name="fallen_tree", severity=4, words=("a fallen tree",))
SIGN = HazardClass(name="broken_sign", severity=2, words=("a broken sign",))


@pytest.fixture
def settings(tmp_path: Path) -> CloudSettings:
    (tmp_path / "cloud").mkdir()
    return CloudSettings(data=tmp_path / "cloud")


def test_added_classes_come_last_and_are_there_after_a_restart(settings: CloudSettings) -> None:
    register = ClassRegister(settings)
    register.add([TREE])
    register.add([SIGN])
    again = ClassRegister(settings)
    assert again.taxonomy.classes == (*DEFAULT_TAXONOMY.classes, TREE, SIGN)
    assert again.added == ("fallen_tree", "broken_sign")


@pytest.mark.parametrize(
    ("added", "sentence"),
    [
        ([TREE.model_copy(update={"name": "fire"})], "names of hazard classes must be distinct, but 'fire'"),
        ([TREE, TREE], "names of hazard classes must be distinct, but 'fallen_tree'"),
        (
            [TREE.model_copy(update={"words": ("smoke",)})],
            "words of hazard classes .* but 'smoke' is there",
        ),
    ],
)
def test_classes_that_clash_are_refused_and_nothing_is_added(
    settings: CloudSettings, added: list[HazardClass], sentence: str
) -> None:
    register = ClassRegister(settings)
    with pytest.raises(ConfigurationError, match=sentence):
        register.add(added)
    assert register.taxonomy == ClassRegister(settings).taxonomy == DEFAULT_TAXONOMY


def test_a_class_that_the_configuration_names_later_is_as_described_there(
    settings: CloudSettings, tmp_path: Path
) -> None:
    ClassRegister(settings).add([TREE])
    file = tmp_path / "classes.yaml"
    file.write_text("classes: [{name: fallen_tree, severity: 5, words: [a tree on the road]}]")
    found = ClassRegister(settings.model_copy(update={"classes": file})).taxonomy
    assert [(c.name, c.severity) for c in found.classes] == [("fallen_tree", 5)]


def test_a_damaged_file_of_added_classes_refuses_the_start(settings: CloudSettings) -> None:
    settings.folder.classes.write_text('[{"name": "fallen_tree"}]')
    with pytest.raises(StateFileBroken, match=r"classes\.json is damaged"):
        ClassRegister(settings)
