"""One YAML file per program: what is refused, with which sentence."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from messaging.errors import ConfigurationError
from messaging.runtime.configuration_files import load_settings, parse_settings


class Camera(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    source: str
    zones: dict[str, list[float]] = {}


class Program(BaseModel):
    model_config = ConfigDict(extra="forbid")
    site: str
    token: str = ""
    poll_s: float = 2.0
    cameras: list[Camera] = []
    gate: Camera | None = None


GOOD = "site: north\ncameras:\n  - name: a\n    source: a.mp4\n"


def _parse(text: str, **environment: str) -> Program:
    return parse_settings(Program, text, origin="x.yaml", environment=environment)


def test_a_minimal_file_is_read() -> None:
    assert _parse(GOOD).cameras[0].source == "a.mp4"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("site: a\npol_s: 3\n", "x.yaml line 2: unknown key 'pol_s'; did you mean 'poll_s'?"),
        (
            "site: a\ncameras:\n  - name: a\n    sauce: b\n    source: c\n",
            "x.yaml line 4: unknown key 'cameras.0.sauce'; did you mean 'source'?",
        ),
        ("site: a\ngate: {name: a, source: b, xyzzy: 1}\n", "known keys: name, source, zones"),
        ("site: a\npoll_s: soon\n", "x.yaml line 2: poll_s: Input should be a valid number"),
        ("site: [a\n", "not valid YAML"),
        ("- a\n", "x.yaml: expected keys and values at the top, found list"),
        ("site: ${NOPE}\n", "${NOPE} is not set; export NOPE or NOPE_FILE"),
        ("poll_s: 3\n", "site: Field required"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _parse(text)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_environment_fills_and_overrides(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("hush\n")
    read = _parse(GOOD + "token: ${T}\n", T_FILE=str(secret), BLINDSPOT__POLL_S="5")
    assert (read.token, read.poll_s) == ("hush", 5.0)


def test_an_absent_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings(Program, tmp_path / "absent.yaml", {})
