"""The live page: one NiceGUI page over the cloud's REST API. Run by `blindspot-page`.

On loopback, unless it gets a certificate.

`dashboards.server` is the application; this module finds the cloud, listens, and ends with a signal.
"""

import argparse
import asyncio
import logging
import ssl
import sys
from pathlib import Path

from dashboards.map_plan import read_plan
from dashboards.server import LOOPBACK, build_page
from dashboards.settings import DEFAULTS, DashboardSettings, read_settings
from messaging.cloud_address import find_cloud
from messaging.errors import ConfigurationError, FileFault
from messaging.runtime import http_server
from messaging.runtime.addresses import is_loopback
from messaging.runtime.http_server import listening_socket, url_of
from messaging.runtime.program import configure_logging, exit_code_of, freeze_garbage_collection
from messaging.runtime.stopping import async_stop_on_signals, stopped_within
from messaging.tls.certificates import read_keyed
from messaging.tls.connections import server_context

logger = logging.getLogger(__name__)

DEFAULT_PORT = 8751
POLL_S = 0.2
CERTIFICATE_EVERY_S = 3600.0


async def serve(
    data: Path,
    *,
    host: str,
    port: int | None,
    stop: asyncio.Event,
    certificate: tuple[Path, Path | None] | None = None,
    settings: DashboardSettings = DEFAULTS,
) -> None:
    """Wait for a cloud, then serve the page until `stop`, encrypted with a certificate and its key.

    Raises `ConfigurationError` for a taken port, a plan of the maps that cannot be drawn, a certificate that
    is not usable, and without one for another host than loopback.
    The certificate is read when the cloud is there, which may have made it.
    """
    if certificate is None and not is_loopback(host):
        raise ConfigurationError(
            f"the page on {host} is for other machines and must be encrypted: give --certificate (and --key)"
        )
    plan = None if settings.map.plan is None else read_plan(settings.map.plan)
    listener = listening_socket(host, [DEFAULT_PORT, 0] if port is None else [port])
    if listener is None:
        raise ConfigurationError(
            f"the page cannot listen on {host}:{port}; choose another port with --port, or 0 for a free one"
        )
    if not await _wait_for_cloud(data, stop):
        listener.close()
        return
    tls = None if certificate is None else server_context(*certificate)
    page, access, events = build_page(data, host, settings, plan=plan)

    def announce() -> None:
        url = url_of(host, listener, encrypted=tls is not None)
        reached = url_of(_reached(host), listener, encrypted=tls is not None)
        sys.stdout.write(f"the page is at {url}/\nopen {access.link(reached)}\n")
        sys.stdout.flush()
        freeze_garbage_collection()

    beside = [asyncio.create_task(one) for one in (_read_again(tls, certificate, stop), events.follow())]
    try:
        await http_server.serve(
            page,
            listener,
            stop,
            tls=tls,
            started=announce,
            timeout_graceful_shutdown=1,
            proxy_headers=False,  # what proxies state is read in `dashboards.access`, from configured ones
        )
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await access.close()


def _reached(host: str) -> str:
    """An address of this machine at which a server on `host` answers."""
    return {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104  # compared, not listened on


async def _read_again(
    tls: ssl.SSLContext | None, certificate: tuple[Path, Path | None] | None, stop: asyncio.Event
) -> None:
    """Serve a certificate that was renewed; one that is not usable leaves the one before in service."""
    if tls is None or certificate is None:
        return
    while not await stopped_within(stop, CERTIFICATE_EVERY_S):
        try:
            read_keyed(*certificate)
            tls.load_cert_chain(*certificate)
        except (ConfigurationError, OSError) as error:
            logger.warning("the certificate that is in service stays: %s", error)


async def _wait_for_cloud(data: Path, stop: asyncio.Event) -> bool:
    """True once a cloud has written its address; False when `stop` is set first."""
    logged = ""
    while not stop.is_set():
        try:
            find_cloud(data)
            return True
        except FileFault as error:
            if str(error) != logged:
                logger.info("waiting: %s", error)
            logged = str(error)
        await stopped_within(stop, POLL_S)
    return False


def main(arguments: list[str] | None = None) -> int:
    """Entry of the process: 0 after a stop signal, 1 after an error, which is one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="blindspot-page", description="the dashboard of a running cloud")
    parser.add_argument("--data", type=Path, required=True, help="the data folder of the cloud")
    parser.add_argument("--port", type=int, help=f"default: {DEFAULT_PORT}, or a free one when that is taken")
    parser.add_argument("--host", default=LOOPBACK, help="the address to listen on (default: loopback only)")
    parser.add_argument("--certificate", type=Path, help="its certificate in PEM; required on other hosts")
    parser.add_argument("--key", type=Path, help="the key of the certificate, if it is not in the same file")
    parser.add_argument("--config", type=Path, help="YAML file: other ways to log in, ground of maps")
    given = parser.parse_args(arguments)
    configure_logging()

    async def whole() -> None:
        settings = DEFAULTS if given.config is None else read_settings(given.config)
        if settings.oidc is not None:
            _ = settings.oidc.client_secret  # a file that cannot be read is named now
        certificate = None if given.certificate is None else (given.certificate, given.key)
        stop = async_stop_on_signals()
        await serve(
            given.data,
            host=given.host,
            port=given.port,
            stop=stop,
            certificate=certificate,
            settings=settings,
        )

    return exit_code_of(lambda: asyncio.run(whole()))


if __name__ == "__main__":
    sys.exit(main())
