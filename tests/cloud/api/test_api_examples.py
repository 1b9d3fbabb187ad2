"""The examples for curl in `docs/api.md` do what they say, on a filled cloud."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.access_resources import NewUser, UserRole
from tests.support.cloud.filled_cloud import FilledCloud

DOCUMENT = Path(__file__).parents[3] / "docs" / "api.md"
EXAMPLES = re.findall(r"^```sh\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder above the data folder of a running cloud."""
    above = tmp_path_factory.mktemp("examples")
    cloud = FilledCloud(above / "data")
    cloud.fill()
    cloud.accounts.add_user(NewUser(name="ana", role=UserRole.VIEWER, password="correct horse battery"))
    cloud.start()
    yield above
    cloud.close()


def answers(folder: Path, script: str) -> list[dict[str, object]]:
    """Run a script of the document; the JSON that it prints. The first one sets what the others use."""
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("curl ", "curl -w '\\n' ")],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "no_proxy": "*"},
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return [json.loads(line) for line in ran.stdout.splitlines() if line]


@pytest.mark.parametrize("number", range(1, len(EXAMPLES)))
def test_an_example_for_curl_is_answered_as_the_document_says(folder: Path, number: int) -> None:
    begin = "\n".join(EXAMPLES[0].splitlines()[:2])
    found = answers(folder, f"{begin}\n{EXAMPLES[number]}")
    assert found
    assert not [one for one in found if "detail" in one], found


def test_the_first_examples_list_sites_and_failure_modes(folder: Path) -> None:
    sites, modes = answers(folder, EXAMPLES[0])
    assert [one["site"] for one in sites["items"]] == ["north", "south"]  # type: ignore[attr-defined]  # JSON
    assert len(modes["items"]) == 3  # type: ignore[arg-type]  # JSON


def test_there_are_examples_for_reading_planning_paging_and_changing() -> None:
    assert len(EXAMPLES) == 5
    assert sum(example.count("curl ") for example in EXAMPLES) >= 8
