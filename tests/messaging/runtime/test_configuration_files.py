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
        ("poll_s: 3\n", "site: this key is missing"),
        ("site: a\nsite: b\n", "x.yaml lines 1 and 2: key 'site' is there twice; join them or remove one"),
        (
            GOOD + "gate: {name: a, source: b, name: c}\n",
            "x.yaml lines 5 and 5: key 'name' is there twice",
        ),
        (GOOD + "cameras:\n  - {name: b, source: b.mp4}\n", "lines 2 and 5: key 'cameras' is there twice"),
        (
            "site: a\ncameras:\n  north: {source: a}\n",
            "cameras: expected a list (lines that begin with `- `)",
        ),
        ("site: a\ngate: [a]\n", "gate: expected a section (indented keys and values), found a list"),
        ("site: a\ncameras:\n\t- a\n", "x.yaml line 3: not valid YAML (found character '\\t' that"),
        ("site: a\0b\n", "x.yaml line 1: not valid YAML"),
        ("a: &a [*a]\n", "an alias inside its own anchor"),
        ("a: " + "[" * 60 + "]" * 60, "nested deeper than 50 levels"),
        ("a: " + "[" * 20_000, "x.yaml"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{two}: &{two} [" + ",".join([f"*{one}"] * 10) + "]\n"
                for one, two in zip("abcdef", "bcdefg", strict=True)
            ),
            "its aliases expand to more than 100000 values",
        ),
        (
            "site: !!python/object/apply:os.system [id]\n",
            "x.yaml line 1: not valid YAML (could not determine",
        ),
        ("site: a\n---\nsite: b\n", "x.yaml line 2: not valid YAML (but found another document)"),
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


def test_an_empty_section_means_its_defaults() -> None:
    class Inner(BaseModel):
        poll_s: float = 2.0

    class Outer(BaseModel):
        inner: Inner = Inner()

    read = parse_settings(Outer, "inner:\n  # poll_s: 5\n", origin="x.yaml", environment={})
    assert read.inner.poll_s == 2.0


def test_a_section_may_be_written_once_and_used_twice() -> None:
    text = "site: a\ncameras:\n  - &one {name: a, source: a.mp4}\n  - {<<: *one, name: b}\n"
    assert [camera.source for camera in _parse(text).cameras] == ["a.mp4", "a.mp4"]


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"BLINDSPOT__SITE__X": "1"}, "variable BLINDSPOT__SITE__X: site is not a section but str"),
        ({"BLINDSPOT__CAMERAS__0__NAME": "b"}, "cameras is not a section but list; change it in the file"),
        ({"BLINDSPOT__POLL_S": "["}, "variable BLINDSPOT__POLL_S: its value is not valid YAML"),
        ({"BLINDSPOT__POLL_S": "soon"}, "variable BLINDSPOT__POLL_S: poll_s: Input should be a valid number"),
        ({"BLINDSPOT__POL_S": "1"}, "variable BLINDSPOT__POL_S: unknown key 'pol_s'; did you mean 'poll_s'?"),
    ],
)
def test_a_wrong_variable_is_named(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _parse(GOOD, **environment)
    assert sentence in str(caught.value)


def test_a_secret_file_that_cannot_be_read_is_named_with_its_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\$\{T\}: variable T_FILE: .*absent cannot be read"):
        _parse(GOOD + "token: ${T}\n", T_FILE=str(tmp_path / "absent"))


@pytest.mark.parametrize(
    ("encoding", "sentence"), [("utf-16", "is UTF-16 text; save it as UTF-8"), ("cp1252", "is not UTF-8")]
)
def test_a_file_in_another_encoding_is_one_sentence(tmp_path: Path, encoding: str, sentence: str) -> None:
    path = tmp_path / "node.yaml"
    path.write_bytes("# Brücke\nsite: a\n".encode(encoding))
    with pytest.raises(ConfigurationError, match=sentence):
        load_settings(Program, path, {})


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_bytes(GOOD.encode("utf-8-sig"))
    assert load_settings(Program, path, {}).site == "north"
