"""What a gate needs: the checks before its start, and those of everything else that its configuration names.

`needed` is required by the gate itself; `named` opens the rest: both credentials, both brokers, the ledger
from its first entry to its last, and the hub's clock. The doctor prints both. Nothing is changed.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime

from edge.gate.ledger import LEDGER_FILE, verify
from edge.gate.settings import GateSettings
from messaging.bus import Link
from messaging.errors import StartRefused
from messaging.nats.bus import NatsBus
from messaging.nats.credentials import check_credentials, read_key
from messaging.nats.subjects import ORDERS
from messaging.runtime.start_checks import (
    FUTURE_LIMIT_S,
    CheckResult,
    clock_after_files,
    disk_space,
    opened,
    private_file,
    readable_file,
    writable_folder,
)

LIMIT_S = 3.0


def needed(settings: GateSettings) -> Iterator[CheckResult]:
    """What must hold before the gate starts: both of its folders can be written."""
    yield writable_folder("data_folder", settings.data_folder)
    yield writable_folder("mirror_folder", settings.mirror_folder)


def named(settings: GateSettings) -> Iterator[CheckResult]:
    """Everything else that the configuration names, opened."""
    seed, credentials = settings.site_credentials, settings.hub_credentials
    yield disk_space("disk", settings.data_folder)
    yield clock_after_files("clock", [settings.data_folder, *settings.data_folder.glob("*/*")])
    usable = opened("site_credentials", lambda: f"{seed}: key {read_key(seed).public[:12]}")
    yield private_file("site_credentials", seed) if usable.ok else usable
    usable = opened("hub_credentials", lambda: check_credentials(credentials))
    yield private_file("hub_credentials", credentials) if usable.ok else usable
    if settings.hub_ca is not None:
        yield readable_file("hub_ca", settings.hub_ca)
    yield opened("ledger", lambda: _ledger(settings))
    yield opened("site's broker", lambda: asyncio.run(_accepts(settings.site_link())))
    yield opened("hub", lambda: asyncio.run(_hub(settings)))


def _ledger(settings: GateSettings) -> str:
    folder = settings.data_folder / "ledger"
    if not (folder / LEDGER_FILE).exists():
        return f"{folder}: nothing has left yet"
    return f"{folder}: {verify(folder).head.n} entries, the chain holds"


async def _accepts(link: Link) -> str:
    bus = await NatsBus.connect(link, timeout_s=LIMIT_S)
    await bus.close()
    return f"{link.url} accepts the gate"


async def _hub(settings: GateSettings) -> str:
    """Connect, and compare this clock with the time at which the hub stored the newest order."""
    bus = await NatsBus.connect(settings.hub_link(), timeout_s=LIMIT_S)
    try:
        reply = await bus.direct_get(f"KV_{ORDERS}", f"$KV.{ORDERS}.{settings.site}")
    finally:
        await bus.close()
    stored = reply.headers.get("Nats-Time-Stamp") if reply is not None else None
    if stored:
        behind_s = datetime.fromisoformat(stored[:19] + "+00:00").timestamp() - time.time()
        if behind_s > FUTURE_LIMIT_S:
            raise StartRefused(f"the clock is {behind_s:.0f} s behind the hub's; set the clock")
    return f"{settings.hub_url} accepts the gate"
