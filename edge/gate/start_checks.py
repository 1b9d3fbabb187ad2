"""What a gate needs: the checks before its start, and those of everything else that its configuration names.

`needed` is required by the gate itself; `named` opens the rest: both credentials, both brokers, the ledger
from its first entry to its last, and the hub's clock. The doctor prints both. Nothing is changed.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.gate.hub_credentials import HubCredentials
from edge.gate.ledger_entries import LEDGER_FILE, RECEIPT_FILE, verify
from edge.gate.lost_messages import LOST_FILE
from edge.gate.settings import STATUS_FILE, GateSettings
from edge.gate.status_file import LOST
from messaging.bus import Link
from messaging.errors import FileFault, MessageRefused, StartRefused, WireForbidden
from messaging.nats.bus import NatsBus
from messaging.nats.connection import Reply
from messaging.nats.credentials import read_credentials, read_key
from messaging.nats.subjects import HEARTBEATS, ORDERS
from messaging.runtime.start_checks import (
    FUTURE_LIMIT_S,
    CheckResult,
    clock_after_files,
    disk_space,
    free_port,
    opened,
    private_file,
    writable_folder,
)
from messaging.runtime.text_files import read_json
from messaging.tls.checks import authority_check, certificate_check
from messaging.trust.keys import PublicKey
from messaging.trust.site_signatures import HEARTBEAT_PREFIX_BYTES
from messaging.trust.site_trust import SiteTrust
from messaging.wire_format.codec import decode

LIMIT_S = 3.0
_UNREADABLE = "{path} cannot be read; the gate writes it again"


def needed(settings: GateSettings) -> Iterator[CheckResult]:
    """What must hold before the gate starts: both of its folders can be written, and whom it trusts."""
    yield writable_folder("data_folder", settings.data_folder)
    yield writable_folder("mirror_folder", settings.mirror_folder)
    yield opened("trust", lambda: f"{settings.trust}: director {_director(settings).key_id[:12]}")


def secret_files(settings: GateSettings) -> Iterator[tuple[str, Path]]:
    """Name and file of what lets the gate into both brokers, the renewed copies included."""
    shown = HubCredentials(settings)
    yield "site_credentials", settings.site_credentials
    yield "hub_credentials", settings.hub_credentials
    yield "renewed hub_credentials", shown.credentials.path
    if settings.hub_certificate is not None and shown.certificate is not None:
        yield "hub_certificate", settings.hub_certificate
        yield "renewed hub_certificate", shown.certificate.path


def named(settings: GateSettings) -> Iterator[CheckResult]:
    """Everything else that the configuration names, opened."""
    seed, credentials = settings.site_credentials, settings.hub_credentials
    if settings.page_port is not None:
        yield free_port("page_port", settings.page_host, settings.page_port)
    yield disk_space("disk", settings.data_folder)
    yield clock_after_files("clock", [settings.data_folder, *settings.data_folder.glob("*/*")])
    usable = opened("site_credentials", lambda: f"{seed}: key {read_key(seed).public[:12]}")
    yield private_file("site_credentials", seed) if usable.ok else usable
    usable = opened("hub_credentials", lambda: _credentials(settings))
    private = private_file("hub_credentials", credentials)
    yield private if usable.ok and not private.ok else usable
    yield from _certificates(settings)
    yield opened("ledger", lambda: _ledger(settings))
    yield opened("receipts", lambda: _receipts(settings))
    yield opened("lost messages", lambda: _lost(settings))
    yield opened("site's broker", lambda: asyncio.run(_accepts(settings.site_link())))
    yield opened("hub", lambda: asyncio.run(_hub(settings)))


def _certificates(settings: GateSettings) -> Iterator[CheckResult]:
    """Those for a hub with TLS: of the hub's authority, and the gate's own with its key."""
    certificate = HubCredentials(settings).certificate
    if settings.hub_ca is None or settings.hub_certificate is None or certificate is None:
        return
    yield authority_check("hub_ca", settings.hub_ca)
    private = private_file("hub_certificate", settings.hub_certificate)
    used = opened("hub_certificate", certificate.in_use)
    checked = certificate_check("hub_certificate", certificate.in_use()) if used.ok else used
    yield private if checked.ok and not private.ok else checked


def _credentials(settings: GateSettings) -> str:
    """Raises `StartRefused` when they have expired, by this machine's clock."""
    claims = read_credentials(HubCredentials(settings).credentials.in_use()).claims
    if claims.expired(time.time()):
        raise StartRefused(
            f"{settings.hub_credentials} was valid {claims.valid_until}; run `blindspot sites add "
            f"{settings.site}` in the cloud and copy the new file"
        )
    return f"{settings.hub_credentials}: valid {claims.valid_until}"


def _ledger(settings: GateSettings) -> str:
    folder = settings.ledger_folder
    if not (folder / LEDGER_FILE).exists():
        return f"{folder}: nothing has left yet"
    receipted = (folder / RECEIPT_FILE).exists()
    return f"{folder}: {verify(folder, _director(settings) if receipted else None).sentence}"


def _director(settings: GateSettings) -> PublicKey:
    return SiteTrust.read(settings.trust).director


def _receipts(settings: GateSettings) -> str:
    """The receipts of the cloud, in the gate's status. Raises `StartRefused` for one that it refuses."""
    path = settings.data_folder / STATUS_FILE
    try:
        fault = str(_in_status(path, "receipt_fault", ""))
    except (FileFault, AttributeError):
        return _UNREADABLE.format(path=path)
    if fault:
        raise StartRefused(
            f"{fault}; find out who wrote it: the site keeps its messages until a true one comes"
        )
    return f"none was refused since the gate started ({path})"


def _in_status(path: Path, name: str, default: Any) -> Any:
    """A value of the gate's status. Raises `FileFault`, and `AttributeError` for a file of another kind."""
    return read_json(path).get(name, default) if path.exists() else default


def _lost(settings: GateSettings) -> str:
    """What the status states of messages that the broker lost. Raises `StartRefused` for any."""
    path = settings.data_folder / STATUS_FILE
    try:
        found = _in_status(path, LOST, {})
        lost = {str(stream): int(number) for stream, number in found.items() if number}
    except (FileFault, AttributeError, TypeError, ValueError):
        return _UNREADABLE.format(path=path)
    if lost:
        named = ", ".join(f"{number} of {stream}" for stream, number in lost.items())
        raise StartRefused(
            f"the site's broker lost messages before a receipt came ({named}); check its disk, then remove "
            f"{settings.data_folder / LOST_FILE} and restart the gate"
        )
    return "the site's broker has lost none"


async def _accepts(link: Link) -> str:
    bus = await NatsBus.connect(link, timeout_s=LIMIT_S)
    await bus.close()
    return f"{link.url} accepts the gate"


async def _hub(settings: GateSettings) -> str:
    """Connect, and compare the site's clock with the hub's, which stamps every value that it stores."""
    bus = await NatsBus.connect(HubCredentials(settings).link(), timeout_s=LIMIT_S)
    try:
        order = await _latest(bus, ORDERS, settings.site)
        beat = await _newest_heartbeat(bus, settings.site)
    finally:
        await bus.close()
    fault = clock_fault(time.time(), stored_s=[_stored_s(r) for r in (order, beat) if r], beat=_beat(beat))
    if fault is not None:
        raise StartRefused(f"{fault}; set the clock")
    return f"{settings.hub_url} accepts the gate"


def clock_fault(
    now_s: float, *, stored_s: Sequence[float], beat: tuple[float, float] | None = None
) -> str | None:
    """How far this machine's clock differs from the hub's, if it is more than `FUTURE_LIMIT_S`.

    A value that the hub stored later than now proves a clock that is behind. A heartbeat is stored after it
    was written, so one that was written later than it was stored proves a clock that was ahead.

    Args:
        now_s: this machine's time, in seconds since 1970.
        stored_s: times at which the hub stored values, by its clock.
        beat: when the newest heartbeat was written, by the site's clock, and stored, by the hub's.
    """
    behind_s = max(stored_s, default=now_s) - now_s
    if behind_s > FUTURE_LIMIT_S:
        return f"the clock is {behind_s:.0f} s behind the hub's"
    ahead_s = beat[0] - beat[1] if beat is not None else 0.0
    if ahead_s > FUTURE_LIMIT_S:
        return f"the clock was {ahead_s:.0f} s ahead of the hub's at the newest heartbeat"
    return None


async def _latest(bus: NatsBus, bucket: str, site: str) -> Reply | None:
    return await bus.direct_get(f"KV_{bucket}", f"$KV.{bucket}.{site}")


async def _newest_heartbeat(bus: NatsBus, site: str) -> Reply | None:
    try:
        return await _latest(bus, HEARTBEATS, site)
    except WireForbidden:  # a credential from before gates could read back their heartbeat
        return None


def _stored_s(reply: Reply) -> float:
    return datetime.fromisoformat(reply.headers["Nats-Time-Stamp"][:19] + "+00:00").timestamp()


def _beat(reply: Reply | None) -> tuple[float, float] | None:
    try:
        if reply is None:
            return None
        return float(decode(reply.data[HEARTBEAT_PREFIX_BYTES:]).at_utc), _stored_s(reply)
    except MessageRefused:
        return None
