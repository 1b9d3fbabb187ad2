"""A hub, a site and its gate for tests, over real brokers."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from edge.gate.limits.count_caps import COUNT_LIMITS
from edge.gate.limits.site_ids import SiteIds
from edge.gate.settings import STATUS_FILE, GateSettings
from messaging.trust.signing import Repository
from messaging.trust.site_signatures import SITE_KEY_FILE, SiteKey
from messaging.trust.site_trust import SiteTrust
from tests.support.brokers import Hub, Site
from tests.support.messaging.site_keys import director_key

ROOT = Path(__file__).parents[3]


def gate_settings(hub: Hub, site: Site, folder: Path, **changes: Any) -> GateSettings:
    values: dict[str, Any] = {
        "site": site.name,
        "site_url": site.broker.url,
        "site_credentials": site.keys.gate,
        "hub_url": hub.broker.url,
        "hub_credentials": hub.enrol(site.name),
        "hub_ca": hub.ca,
        "hub_certificate": None if hub.ca is None else hub.certificate(site.name),
        "trust": trust_file(folder),
        "data_folder": folder / "gate",
        "mirror_folder": folder / "mirror",
        "poll_s": 0.5,
        "heartbeat_s": 0.3,
        "status_s": 0.2,
        "receipt_s": 0.2,
        "bytes_per_minute": 2**26,
        "bytes_per_day": 2**30,
        "counts": {kind: {"at_once": 10**6, "per_day": 10**6} for kind in COUNT_LIMITS},
        **changes,
    }
    return GateSettings.model_validate(values)


def trust_file(folder: Path) -> Path:
    """A trust file whose director is that of the tests."""
    path = folder / "trust.json"
    if not path.exists():
        root = Repository(folder / "releases").site_trust.root_bytes
        path.write_bytes(SiteTrust(root, director_key().public).to_bytes())
    return path


def outgoing_ids(settings: GateSettings, own: Iterable[str]) -> list[str]:
    """The ids under which the gate, which has started, sends messages."""
    ids = SiteIds(SiteKey.read_or_make(settings.site, settings.data_folder / SITE_KEY_FILE))
    return [ids.outgoing(one) for one in own]


def start_gate(
    settings: GateSettings, folder: Path, environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """The gate as a process of its own, as in production; with more in its environment if given."""
    config = folder / "gate.yaml"
    config.write_text(yaml.safe_dump(json.loads(settings.model_dump_json())))
    with (folder / "gate.log").open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "edge.cli", "gate", "--config", str(config)],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=out,
            stderr=out,
        )


def status_of(settings: GateSettings) -> dict[str, Any]:
    path = settings.data_folder / STATUS_FILE
    if not path.exists():
        return {}
    status: dict[str, Any] = json.loads(path.read_text())
    return status
