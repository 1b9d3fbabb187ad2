"""What a site's hub credential can do: attempts generated from the payload table, and the hub's state.

An attempt is one publish: subject, reply subject, headers. The server answers to the reply subject that a
client chose, so the effects of attempts are measured by the hub's whole state before and after them, and by
what arrives at others meanwhile, never by refusals.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from messaging.bus import Link
from messaging.memory_bus import subject_matches
from messaging.nats.accounts import user_jwt
from messaging.nats.blobs import NatsBlobs
from messaging.nats.bus import NatsBus
from messaging.nats.credentials import USER, Credentials, new_key, read_key
from messaging.nats.permissions import EVERYTHING, Permissions, gate_at_hub
from messaging.nats.streams import prepare_hub
from messaging.nats.subjects import (
    CHECKPOINTS,
    FLEET_REPORTS,
    HEARTBEATS,
    ORDERS,
    RECEIPTS,
    RENEWALS,
    REQUESTS,
    TUF_BUCKET,
    inbox_prefix,
    published_subject,
)
from messaging.releases import Role, order_key
from messaging.wire_format.codec import PAYLOADS, Lane
from tests.support.brokers import Hub

SITE, OTHER = "s1", "s2"
BUCKETS = (HEARTBEATS, CHECKPOINTS, ORDERS, RECEIPTS, RENEWALS, REQUESTS)
OBJECTS = ("models", "tuf")
_PAGE = 500
State = Mapping[tuple[object, ...], object]


@dataclass(frozen=True)
class Attempt:
    """One publish by a site's credential."""

    subject: str
    reply: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


HEADERS: tuple[Mapping[str, str], ...] = (
    {},
    {"Nats-Rollup": "all"},
    {"Nats-Rollup": "sub"},
    {"Nats-TTL": "1s"},
    {"Nats-Trace-Dest": f"$KV.ORDERS.{OTHER}"},
    {"Nats-Trace-Dest": f"site.{OTHER}.report.hazard.TRACED", "Nats-Trace-Only": "true"},
    {"X-Large": "A" * 7000},
)


def every_subject() -> list[str]:
    """Subjects of all sorts, for both sites and for none."""
    subjects = []
    for name in (SITE, OTHER):
        subjects += [f"site.{name}.report.{kind}.ID" for kind in (*PAYLOADS, "snapshot", "frames")]
        subjects += [f"site.{name}.ledger.other", f"site.{name}.cmd.wake"]
        for bucket in BUCKETS:
            subjects += [f"$KV.{bucket}.{name}", f"$JS.API.DIRECT.GET.KV_{bucket}.$KV.{bucket}.{name}"]
        subjects += [
            f"$KV.{ORDERS}.{name}.teacher",
            f"$JS.API.DIRECT.GET.KV_{ORDERS}.$KV.{ORDERS}.{name}.teacher",
        ]
    for bucket in OBJECTS:
        subjects += [f"$O.{bucket}.C.abc", f"$O.{bucket}.M.abc", f"$JS.API.DIRECT.GET.OBJ_{bucket}"]
        subjects += [f"$JS.API.DIRECT.GET.OBJ_{bucket}.$O.{bucket}.M.abc"]
        subjects += [f"$JS.API.STREAM.{m}.OBJ_{bucket}" for m in ("PURGE", "MSG.GET", "DELETE")]
    for bucket in BUCKETS:
        subjects += [f"$JS.API.DIRECT.GET.KV_{bucket}"]
        subjects += [f"$JS.API.STREAM.{m}.KV_{bucket}" for m in ("PURGE", "MSG.GET", "DELETE")]
    subjects += [
        f"$JS.API.{method}.{FLEET_REPORTS}"
        for method in ("STREAM.INFO", "STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.GET", "STREAM.UPDATE")
    ]
    subjects += ["$JS.API.INFO", "$JS.API.STREAM.NAMES", f"$JS.API.DIRECT.GET.{FLEET_REPORTS}"]
    subjects += [
        f"$JS.API.CONSUMER.{m}.{FLEET_REPORTS}.ingest" for m in ("MSG.NEXT", "DELETE", "DURABLE.CREATE")
    ]
    subjects += ["$SYS.REQ.SERVER.PING", f"_INBOX_{OTHER}.abc", "dead.letters", "anything"]
    return subjects


def is_own(subject: str) -> bool:
    """Whether the payload table lets the site publish there."""
    return any(subject_matches(pattern, subject) for pattern in gate_at_hub(SITE).publish)


def attempts(acknowledgement: str) -> Iterator[Attempt]:
    """Every own subject with every reply subject and header; every other one with some of each.

    `acknowledgement`: where the cloud acknowledges a report that was delivered to it.
    """
    own = [subject for subject in every_subject() if is_own(subject)]
    foreign = [subject for subject in every_subject() if not is_own(subject)]
    written = [s for s in foreign if s.startswith(("$KV.", "$O.", "dead.", "site.", "_INBOX"))]
    administration = [s for s in foreign if ".PURGE." in s or ".DELETE." in s or ".NEXT." in s or "$SYS" in s]
    replies = ["", f"_INBOX_{SITE}.mine", acknowledgement, *written, *administration]
    # purges and deletions last, of the buckets whose answers cause them at the very end
    replies.sort(key=lambda r: (".DELETE." in r and FLEET_REPORTS not in r, ".DELETE." in r, ".PURGE." in r))
    for reply, headers, subject in itertools.product(replies, HEADERS, own):
        yield Attempt(subject, reply, headers)
    for subject in [acknowledgement, *foreign]:
        for reply in ("", f"$KV.{RECEIPTS}.{OTHER}", f"$JS.API.STREAM.PURGE.{FLEET_REPORTS}"):
            yield Attempt(subject, reply)
        yield Attempt(subject, headers=HEADERS[1])


def shipped(hub: Hub) -> Link:
    """The credential of the site as it is handed out."""
    return hub.gate_link(SITE)


def without_allow_list(hub: Hub) -> Link:
    """A credential of the site's account that may publish everything: the account alone keeps it in."""
    hub.enrol(SITE)
    seed = hub.folder / "keys" / "sites" / SITE / "account.seed"
    return thief_of(hub, seed, EVERYTHING, issued_utc=time.time())


def of_the_fleets_account(hub: Hub) -> Link:
    """What every site had when all were in one account: the allow-list of a gate."""
    seed = hub.folder / "keys" / "account.seed"
    return thief_of(hub, seed, gate_at_hub(SITE), issued_utc=time.time() + 1)


def thief_of(hub: Hub, seed: Path, permissions: Permissions, *, issued_utc: float) -> Link:
    """A credential of the account of a seed file, as a bug or a thief of that file would make it."""
    user = new_key(USER)
    limits = dict.fromkeys(("subs", "data", "payload"), -1)
    token = user_jwt("thief", read_key(seed), user.public, int(issued_utc), permissions, limits)
    path = hub.folder / "thief.creds"
    path.write_bytes(Credentials(token, user).to_bytes())
    return Link(hub.broker.url, "thief", credentials_path=str(path), inbox_prefix=inbox_prefix(SITE))


async def prepare(hub: Hub) -> tuple[NatsBus, str]:
    """A hub that holds something of everything; the cloud's bus, and where one delivery is acknowledged."""
    cloud = await NatsBus.connect(hub.cloud_link())
    models, tuf = NatsBlobs(cloud), NatsBlobs(cloud, TUF_BUCKET, prefix="", max_bytes=2**24)
    await prepare_hub(cloud, models, tuf)
    await models.put(b"weights" * 1000)
    await tuf.put_named("timestamp.json", b"{}")
    kinds = [row.kind for row in PAYLOADS.values() if row.lane is not Lane.LATEST]
    for name in (SITE, OTHER):
        for bucket in (HEARTBEATS, CHECKPOINTS, RECEIPTS, RENEWALS, REQUESTS):
            await cloud.put_latest(bucket, name, f"{bucket} of {name}".encode())
        for role in Role:
            await cloud.put_latest(ORDERS, order_key(name, role), f"{role} order of {name}".encode())
        for kind in kinds:
            await cloud.publish(f"site.{name}.report.{kind}.OLD", b"old", message_id=f"{name}-{kind}")
    await cloud.publish("dead.old", b"letter", message_id="letter")
    first, *_ = await cloud.pull(FLEET_REPORTS, "ingest", batch=1)
    return cloud, str(getattr(first, "reply_to"))  # noqa: B009  # of NATS only, not of every delivery


async def hub_state(cloud: NatsBus) -> State:
    """Every stream, consumer and message of the hub."""
    state: dict[tuple[object, ...], object] = {}
    for stream in (await cloud.api("STREAM.LIST"))["streams"]:
        name = stream["config"]["name"]
        state["stream", name] = json.dumps(stream["config"], sort_keys=True)
        for consumer in (await cloud.api(f"CONSUMER.LIST.{name}"))["consumers"]:
            places = {key: consumer[key] for key in ("config", "ack_floor", "delivered", "num_ack_pending")}
            state["consumer", name, consumer["name"]] = json.dumps(_lasting(places), sort_keys=True)
        async for sequence, message in _messages(cloud, name, stream["state"]["last_seq"]):
            state["message", name, sequence] = message
    return state


def outside(before: State, after: State, own: Callable[[str], bool] = is_own) -> list[str]:
    """Changes of a broker's state that are not own messages."""
    found = []
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old != new and not _is_own_change(old, new, own):
            found.append(f"{'.'.join(map(str, key))}: {str(old)[:90]} -> {str(new)[:90]}")
    return sorted(found)


async def carried_out(link: Link, todo: Sequence[Attempt]) -> int:
    """Publish all attempts with one credential; how many the server denied as such."""
    denied = 0

    async def count(error: Exception) -> None:
        nonlocal denied
        denied += "permissions violation" in str(error).lower()

    client = Client()
    await client.connect(
        servers=[link.url],
        user_credentials=link.credentials_path,
        nkeys_seed=link.nkey_seed_path,
        inbox_prefix=(link.inbox_prefix or "_INBOX"),
        error_cb=count,
        max_outstanding_pings=10,
    )
    for number, attempt in enumerate(todo):
        body = b"" if attempt.subject.startswith("$JS.") else b"x"
        await client.publish(
            attempt.subject, body, reply=attempt.reply, headers=dict(attempt.headers) or None
        )
        if number % 100 == 99:
            await client.flush()
    await client.flush()
    await client.close()
    return denied


@dataclass
class Outcome:
    """Effects of a credential's attempts outside what its site may write, and how many it made."""

    attempts: int
    denied: int
    effects: list[str]
    seconds: float


async def measured(hub: Hub, attacker: Link) -> Outcome:
    """Carry out all attempts with the attacker's credential on a hub that holds something of everything."""
    cloud, acknowledgement = await prepare(hub)
    received: list[str] = []
    listeners = [await _listening(link, ">", received) for link in (hub.cloud_link(),)]
    listeners.append(await _listening(hub.gate_link(OTHER), f"site.{OTHER}.cmd.>", received))
    before = await hub_state(cloud)
    received.clear()
    todo = list(attempts(acknowledgement))
    started = time.monotonic()
    denied = await carried_out(attacker, todo)
    await asyncio.sleep(0.3)
    seconds = time.monotonic() - started
    for listener in listeners:
        await listener.close()
    foreign = {s for s in (acknowledgement, *every_subject()) if not is_own(s)}
    arrived = sorted({subject for subject in received if subject in foreign})
    effects = outside(before, await hub_state(cloud))
    await cloud.close()
    return Outcome(len(todo), denied, [*effects, *(f"arrived on {s}" for s in arrived)], seconds)


async def _listening(link: Link, subject: str, received: list[str]) -> Client:
    async def note(message: Any) -> None:
        received.append(message.subject)

    client = Client()
    await client.connect(
        servers=[link.url],
        user_credentials=link.credentials_path,
        inbox_prefix=(link.inbox_prefix or "_INBOX"),
    )
    await client.subscribe(subject, cb=note)
    await client.flush()
    return client


async def _messages(cloud: NatsBus, stream: str, last: int) -> Any:
    sequence = 1
    while sequence <= last:
        query = json.dumps({"seq": sequence, "batch": _PAGE, "next_by_subj": ">"}).encode()
        page = await cloud.wire.collect(
            f"$JS.API.DIRECT.GET.{stream}", query, limit=_PAGE + 1, timeout_s=30.0
        )
        assert any(reply.status for reply in page), f"{stream}: {len(page)} messages and no end of the page"
        found = [reply for reply in page if not reply.status]
        for reply in found:
            number = int(reply.headers["Nats-Sequence"])
            own = {
                k: v for k, v in reply.headers.items() if k not in ("Nats-Num-Pending", "Nats-Last-Sequence")
            }
            subject = reply.headers["Nats-Subject"]
            if stream == FLEET_REPORTS:
                subject = published_subject(subject, "ID")
            yield number, (subject, str(sorted(own.items())), reply.data)
            sequence = number + 1
        if len(found) < _PAGE:
            return


def _lasting(consumer: Mapping[str, Any]) -> dict[str, Any]:
    """Without times of last activity."""
    return {
        key: {k: v for k, v in value.items() if k != "last_active"} if isinstance(value, dict) else value
        for key, value in consumer.items()
    }


def _is_own_change(old: object, new: object, own: Callable[[str], bool]) -> bool:
    """A message more on a subject of the site's, or a last value that another of the site has replaced."""
    if new is None:
        replaced = [f"$KV.{bucket}.{SITE}" for bucket in (HEARTBEATS, CHECKPOINTS)]
        return isinstance(old, tuple) and old[0] in replaced
    return old is None and isinstance(new, tuple) and own(str(new[0]))
