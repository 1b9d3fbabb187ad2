"""The folder with which a new site starts: credentials, trust file and the configurations of gate and node.

It can be copied to the site's machine as it is: the paths in it are relative, and its programs are started in
it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from cloud.errors import BadRequest
from cloud.fleet.hub import Enrolment
from messaging.fields import SLUG_PATTERN, SLUG_WORDS
from messaging.reports import MOST_CAMERAS
from messaging.runtime.atomic_files import write_secret

CREDENTIALS_FILE, TRUST_FILE, GATE_FILE, NODE_FILE = "hub.creds", "trust.json", "gate.yaml", "node.yaml"
CERTIFICATE_FILE, CA_FILE = "hub.pem", "hub_ca.pem"
BROKER_FOLDER, MIRROR_FOLDER = "broker", "mirror"
_BELOW_CAMERAS = (
    "  # Reports of any other camera or zone are refused: what is added to node.yaml is added here as well,\n"
    "  # each camera with the names of its zones, for instance\n"
    "  # yard: [entrance, ramp]\n"
)


def parse_cameras(values: Sequence[str]) -> dict[str, str]:
    """Sources by camera from `NAME=SOURCE`. Raises `BadRequest` for what node and gate would refuse."""
    cameras: dict[str, str] = {}
    for value in values:
        name, _, source = value.partition("=")
        if not name or not source:
            raise BadRequest(
                f"camera {value!r:.80} is not NAME=SOURCE; give for instance north=rtsp://HOST/STREAM"
            )
        if not re.fullmatch(SLUG_PATTERN, name):
            raise BadRequest(f"{name!r:.80} is no name of a camera; use {SLUG_WORDS}")
        if name in cameras:
            raise BadRequest(f"camera {name!r:.40} is given twice; choose another name for one of the two")
        cameras[name] = source
    if len(cameras) > MOST_CAMERAS:
        raise BadRequest(f"{len(cameras)} cameras are given; a site has at most {MOST_CAMERAS}")
    return cameras


def check_site_folder(folder: Path, cameras: Mapping[str, str]) -> None:
    """Raises `BadRequest` when the folder holds anything or no camera is given."""
    if not cameras:
        raise BadRequest("a site needs a camera; add --camera NAME=SOURCE")
    if folder.exists() and any(folder.iterdir()):
        raise BadRequest(f"{folder} is not empty; choose a new folder for the site")


def write_site_folder(
    folder: Path, enrolment: Enrolment, hub_url: str, cameras: Mapping[str, str], *, broker_port: int
) -> None:
    """Write the files, readable by their owner only, since a camera's source may hold a password.

    The gate lets reports of these cameras leave, and of no other: a node that is taken over invents none.
    """
    broker_url = f"nats://127.0.0.1:{broker_port}"
    gate = {
        "site": enrolment.site,
        "site_url": broker_url,
        "site_credentials": f"{BROKER_FOLDER}/gate.nk",
        "hub_url": hub_url,
        "hub_credentials": CREDENTIALS_FILE,
        **({} if enrolment.ca is None else {"hub_ca": CA_FILE, "hub_certificate": CERTIFICATE_FILE}),
        "trust": TRUST_FILE,
        "data_folder": "gate",
        "mirror_folder": MIRROR_FOLDER,
        "cameras": {name: [] for name in cameras},
    }
    node = {
        "site": enrolment.site,
        "data": "node",
        "mirror": MIRROR_FOLDER,
        "trust": TRUST_FILE,
        "broker": {"url": broker_url, "credentials": f"{BROKER_FOLDER}/node.nk"},
        "cameras": [{"name": name, "source": source} for name, source in cameras.items()],
    }
    for name, path in (
        (CREDENTIALS_FILE, enrolment.credentials),
        (CERTIFICATE_FILE, enrolment.certificate),
        (CA_FILE, enrolment.ca),
        (TRUST_FILE, enrolment.trust),
    ):
        if path is not None:
            write_secret(folder / name, path.read_bytes())
    for name, document, comment in ((GATE_FILE, gate, _BELOW_CAMERAS), (NODE_FILE, node, "")):
        write_secret(folder / name, (yaml.safe_dump(document, sort_keys=False) + comment).encode())
