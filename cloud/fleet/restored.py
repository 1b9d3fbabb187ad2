"""Goes on above what the hub has, after a start from an older backup.

Sites refuse metadata and orders whose numbers they have seen. So a cloud whose folder or database is older
than the hub takes over what it had signed since, before it signs anything.
"""

import json
import logging

from cloud.fleet.hub import Hub
from cloud.store.records import IssuedOrder
from cloud.store.release_store import ReleaseStore
from messaging.errors import BlobError, TrustError
from messaging.nats.last_values import all_latest
from messaging.nats.subjects import ORDERS
from messaging.trust.orders import verify_order
from messaging.trust.signing import Repository

logger = logging.getLogger(__name__)

MAX_METADATA_BYTES = 8 * 1024 * 1024


async def continue_above_hub(repository: Repository, releases: ReleaseStore, hub: Hub) -> None:
    """Adopt newer metadata and orders of the hub that are signed with this cloud's keys.

    Raises:
        ConfigurationError: the hub has a newer root, so that the keys of this folder are not in use any more.
        WireUnavailable: the hub did not answer.
    """
    if repository.adopt(await _metadata(repository, hub)):
        logger.warning(
            "the hub has newer release metadata than %s, which was restored from a backup; it is "
            "taken over, and versions go on above it",
            repository.folder,
        )
    newer = set[str]()
    for envelope in (await all_latest(hub.bus, ORDERS)).values():
        try:
            order = verify_order(envelope, repository.director.public)
        except TrustError as error:
            logger.warning("an order at the hub is passed over: %s", error)
            continue
        if order.sequence > releases.last_sequence(order.site):
            newer.add(order.site)
            values = order.model_dump(mode="json")
            releases.put_order(
                IssuedOrder(
                    order.site,
                    order.sequence,
                    order.digest,
                    order.channel,
                    order.issued_at_utc,
                    values,
                    order.role,
                )
            )
    if newer:
        logger.warning(
            "the hub has newer orders of %d sites than the database, which was restored from a backup; "
            "their numbers go on above those",
            len(newer),
        )


async def _metadata(repository: Repository, hub: Hub) -> dict[str, bytes]:
    """The files of the hub that its timestamp names, and the root after the newest here."""
    wanted, found = [repository.next_root, "timestamp.json"], dict[str, bytes]()
    while wanted:
        name = wanted.pop()
        try:
            data = await hub.metadata.get_named(name, max_bytes=MAX_METADATA_BYTES)
        except BlobError as error:
            logger.warning("release metadata at the hub is passed over: %s", error)
            return {}
        if data is not None:
            found[name] = data
            wanted += _named_in(data)
    return found


def _named_in(data: bytes) -> list[str]:
    """The files that a timestamp or snapshot names; not trusted yet."""
    try:
        named = json.loads(data)["signed"]["meta"].items()
        return [f"{int(meta['version'])}.{name}" for name, meta in named]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
