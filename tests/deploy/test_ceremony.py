"""deploy/keys/ceremony.sh, run as it is: afterwards the root is 2 of 3 keys, none of them with the cloud."""

import json
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cloud.settings import DataFolder
from messaging.trust.signing import Repository

CEREMONY = Path(__file__).parents[2] / "deploy" / "keys" / "ceremony.sh"


def blindspot_on_path(folder: Path) -> dict[str, str]:
    """An environment in which `blindspot` is the command line of this tree."""
    program = folder / "blindspot"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cloud.cli.main "$@"\n')
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_ceremony_moves_the_root_to_three_media(tmp_path: Path) -> None:
    data, media = tmp_path / "blindspot data", [tmp_path / name for name in ("A", "B", "C")]
    folder = DataFolder(data).releases
    Repository(folder)
    (tmp_path / "bin").mkdir()
    done = subprocess.run(
        [str(word) for word in (CEREMONY, data, *media)],
        env=blindspot_on_path(tmp_path / "bin"),
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the root keys are elsewhere" in done.stderr
    role = json.loads(Repository(folder).root_bytes)["signed"]["roles"]["root"]
    assert (len(role["keyids"]), role["threshold"]) == (3, 2)
    assert not list((folder / "keys").glob("root*"))
    assert {stat.S_IMODE((medium / "root.pem").stat().st_mode) for medium in media} == {0o600}
