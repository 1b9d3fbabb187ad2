"""A site's broker as a program: `python -m messaging.nats.site_broker --site NAME --folder FOLDER`.

Makes the seeds of the site's two users at the first start (`node.nk`, `gate.nk` in the folder), then keeps
the nats-server running until a stop signal. On loopback; in a container, on the site's internal network.
"""

import argparse
import logging
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

from messaging.errors import BlindspotError
from messaging.nats.broker import EmbeddedBroker
from messaging.nats.broker_config import BrokerConfig, site_config

log = logging.getLogger(__name__)


def run_broker(config: BrokerConfig, stop: threading.Event) -> None:
    """Run a broker until `stop`. Raises `ConfigurationError`, `WireUnavailable` when it cannot start."""
    with EmbeddedBroker(config):
        log.info("broker %s listens on %s:%s", config.name, config.host, config.port)
        stop.wait()


def main(arguments: list[str] | None = None) -> int:
    """Entry of the process: 0 after a stop signal, 1 for a refusal that is explained in one sentence."""
    parser = argparse.ArgumentParser(
        prog="python -m messaging.nats.site_broker", description="a site's broker"
    )
    parser.add_argument("--site", required=True, help="the site's name")
    parser.add_argument("--folder", type=Path, required=True, help="where its store and its users' seeds lie")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: loopback)")
    parser.add_argument("--port", type=int, default=4222)
    parser.add_argument("--prepare", action="store_true", help="only make the seeds, then end")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        config, _keys = site_config(chosen.folder, chosen.site)
        if not chosen.prepare:
            run_broker(replace(config, host=chosen.host, port=chosen.port), _stop_signal())
    except BlindspotError as error:
        log.error("%s", error)
        return 1
    return 0


def _stop_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


if __name__ == "__main__":
    sys.exit(main())
