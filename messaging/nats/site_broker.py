"""A site's broker: makes the seeds of the site's two users, then keeps the nats-server running.

The command is `blindspot-edge broker`. On loopback; in a container, on the site's internal network.
"""

import logging
import threading
from dataclasses import replace
from pathlib import Path

from messaging.nats.broker import EmbeddedBroker
from messaging.nats.broker_config import BrokerConfig, site_config

logger = logging.getLogger(__name__)


def prepare_broker(folder: Path, site: str, *, host: str, port: int) -> BrokerConfig:
    """Make the seeds (`node.nk`, `gate.nk` in the folder) at the first start; returns the configuration."""
    config, _keys = site_config(folder, site)
    return replace(config, host=host, port=port)


def run_broker(config: BrokerConfig, stop: threading.Event) -> None:
    """Run a broker until `stop`. Raises `BlindspotError` or `OSError` if it cannot start."""
    with EmbeddedBroker(config) as broker:
        logger.info("broker %s listens on %s", config.name, broker.url)
        stop.wait()
