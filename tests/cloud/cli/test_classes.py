"""`blindspot classes`: a file is checked, listed, started from; its classes are added to a running cloud."""

import json
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from cloud.cli.main import app
from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings
from messaging.errors import ConfigurationError
from messaging.taxonomy import DEFAULT_TAXONOMY
from tests.support.cloud.running_cloud import running_cloud
from tests.support.cloud.scripted_stages import ScriptedStages

OWN = """
classes:
  - {name: fallen_tree, severity: 4, words: [a fallen tree], place: road}
  - {name: broken_sign, severity: 2, words: [a broken traffic sign], place: wall}
"""


def blindspot(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_file_to_start_from_is_the_shipped_one_and_never_replaces_another(tmp_path: Path) -> None:
    file = tmp_path / "own" / "classes.yaml"
    assert blindspot("classes", "init", file).exit_code == 0
    shown = json.loads(blindspot("classes", "check", file, "--json").stdout)
    assert tuple(one["name"] for one in shown) == DEFAULT_TAXONOMY.names
    file.write_text(OWN)
    refused = blindspot("classes", "init", file)
    assert isinstance(refused.exception, ConfigurationError)
    assert "exists already and was not changed" in str(refused.exception)
    assert file.read_text() == OWN


def test_a_bad_file_is_refused_with_the_line_of_its_mistake(tmp_path: Path) -> None:
    file = tmp_path / "classes.yaml"
    file.write_text(OWN.replace("place: wall", "place: roof"))
    refused = blindspot("classes", "check", file)
    assert isinstance(refused.exception, ConfigurationError)
    assert "classes.yaml line 4: classes.1.place" in str(refused.exception)


def test_the_configured_classes_are_listed_with_what_a_site_does_with_them(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(OWN)
    (tmp_path / "cloud.yaml").write_text(f"classes: {tmp_path / 'classes.yaml'}\ndata: {tmp_path / 'data'}")
    shown = blindspot("classes", "list", "--config", tmp_path / "cloud.yaml").stdout
    for phrase in ("fallen_tree", "a broken traffic sign", "wall", "60 s"):
        assert phrase in shown


def test_classes_are_added_to_a_running_cloud_from_a_file_or_from_options(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    settings = CloudSettings(data=tmp_path / "cloud", api=ApiSettings(port=0))
    with running_cloud(settings, lambda _: ScriptedStages(), sites=("harbour",)):
        at = ("--data", settings.data)
        added = blindspot("classes", "add", "broken_sign", "--file", tmp_path / "own.yaml", *at)
        assert added.exit_code == 0, added.exception
        words = ("--words", "a big puddle", "--place", "road", "--label", "amorphous", "--severity", "1")
        assert blindspot("classes", "add", "puddle", *words, *at).exit_code == 0
        for arguments, sentence in (
            (("hole",), "class 'hole' has no words for prompts"),
            (
                ("hole", "--words", "a hole", "--severity", "9"),
                "severity: Input should be less",
            ),
            (("puddle", "--words", "a puddle"), "but 'puddle' is there 2 times"),
            (("volcano", "--file", str(tmp_path / "own.yaml")), "'volcano' is unknown; this taxonomy has"),
        ):
            refused = blindspot("classes", "add", *arguments, *at)
            assert refused.exit_code == 1
            assert sentence in str(refused.exception)
        shown = json.loads(blindspot("classes", "list", "--data", settings.data, "--json").stdout)
        assert [one["name"] for one in shown][-2:] == ["broken_sign", "puddle"]
        assert (shown[-1]["severity"], shown[-1]["label"], shown[-1]["place"]) == (1, "amorphous", "road")
