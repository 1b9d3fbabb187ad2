"""A site's broker: makes the seeds of the site's two users, then keeps the nats-server running.

The command is `blindspot-edge broker`. On loopback; in a container, on the site's internal network.
"""

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from messaging.nats.broker import EmbeddedBroker, find_server
from messaging.nats.broker_config import BrokerConfig, refuse_volatile_filesystem, site_config
from messaging.nats.credentials import read_key
from messaging.runtime.start_checks import (
    CheckResult,
    disk_space,
    free_port,
    opened,
    private_file,
    require,
    warn_of_readable,
    writable_folder,
)

logger = logging.getLogger(__name__)

_SEEDS = ("node.nk", "gate.nk")


def broker_checks(folder: Path, *, host: str, port: int) -> Iterator[CheckResult]:
    """What a site's broker needs: a folder that can be written, room, its port, and whole seeds."""
    yield opened("nats-server", lambda: str(find_server()))
    yield writable_folder("broker folder", folder)
    yield opened("broker disk", lambda: _durable(folder))
    yield disk_space("disk of the broker", folder)
    yield free_port("broker port", host, port)
    for name in _SEEDS:
        if (folder / name).exists():
            usable = opened(name, partial(_public_key, folder / name))
            yield private_file(name, folder / name) if usable.ok else usable


def _durable(folder: Path) -> str:
    refuse_volatile_filesystem(folder)
    return "survives a power cut"


def _public_key(path: Path) -> str:
    return read_key(path).public[:12]


def prepare_broker(folder: Path, site: str, *, host: str, port: int) -> BrokerConfig:
    """Make the seeds (`node.nk`, `gate.nk` in the folder) at the first start; returns the configuration."""
    require([writable_folder("broker folder", folder)])
    config, _keys = site_config(folder, site)
    return replace(config, host=host, port=port)


def run_broker(config: BrokerConfig, stop: threading.Event) -> None:
    """Run a broker until `stop`; a warning for each seed that others may read.

    Raises `BlindspotError` or `OSError` if it cannot start.
    """
    warn_of_readable((name, config.folder / name) for name in _SEEDS)
    with EmbeddedBroker(config) as broker:
        logger.info("broker %s listens on %s", config.name, broker.url)
        stop.wait()
