"""Where the programs of a rehearsal run; here on this machine, as `docs/deploy-a-site.md` starts them."""

import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge.gate.settings import STATUS_FILE
from messaging.figures import Figure
from messaging.nats.broker import free_port
from tests.rehearsal.city import FPS
from tests.rehearsal.profiles import Profile
from tests.rehearsal.reader import Reader
from tests.rehearsal.start_times import Program
from tests.support.cameras.rtsp_camera import RtspCamera

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "deploy-a-site.md"
PAGE_ADDRESS = "127.0.0.1:8751"
BROKER_PORT = 4222
NODE_IS_READY = "runs with 1 cameras"


@dataclass(frozen=True)
class Deployment:
    """How the programs are run.

    Attributes:
        page: what is followed.
        camera: address under which the node finds the camera.
        blindspot: how the cloud's command line is called.
        programs: those that the page starts.
        values: of variables that only this page has.
        settings: see `Reader`.
        figures: measured after the last command, while the programs run.
    """

    page: Path
    camera: str
    blindspot: str
    programs: Callable[[Reader], Sequence[Program]]
    values: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    figures: Callable[[], tuple[Figure, ...]] = tuple


@contextmanager
def on_this_machine(city: Path, profile: Profile) -> Iterator[Deployment]:
    """Programs in terminals, and a camera on loopback."""
    camera = RtspCamera(free_port(), "--frames", str(city / "frames"), "--fps", str(FPS))
    camera.start()
    try:
        yield Deployment(PAGE, camera.address, "blindspot", _programs, settings=profile.settings)
    finally:
        camera.stop()


def _programs(reader: Reader) -> tuple[Program, ...]:
    site = reader.folder / "harbour"
    return (
        Program("cloud", "blindspot cloud", (reader.folder / "blindspot-data" / "api.json").exists),
        Program("page", "blindspot cloud", page_answers),
        Program("broker", "blindspot-edge broker", _broker_answers),
        Program("gate", "blindspot-edge gate", (site / "gate" / STATUS_FILE).exists),
        Program(
            "node",
            "blindspot-edge node",
            lambda: any(NODE_IS_READY in one.log.read_text(errors="replace") for one in reader.terminals),
        ),
    )


def page_answers(authority: Path | None = None) -> bool:
    """Whether the dashboard answers at its default port; over TLS if there is an authority to trust."""
    try:
        if authority is None:
            answer = urllib.request.urlopen(f"http://{PAGE_ADDRESS}/login", timeout=5.0)
        else:
            trusted = ssl.create_default_context(cafile=authority)
            answer = urllib.request.urlopen(f"https://{PAGE_ADDRESS}/login", timeout=5.0, context=trusted)
        with answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _broker_answers() -> bool:
    try:
        with socket.create_connection(("127.0.0.1", BROKER_PORT), timeout=1.0) as connection:
            return connection.recv(4) == b"INFO"
    except OSError:
        return False
