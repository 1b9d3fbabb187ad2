"""Keys of sites and of the director for tests, and what sites sign with them."""

from functools import cache

from securesystemslib.signer import CryptoSigner

from messaging.bus import Bus, Delivery
from messaging.nats.subjects import CHECKPOINTS, HEARTBEATS, published_subject, report_subject
from messaging.receipts import START, LanePlace, LedgerPosition, ReportHeader
from messaging.trust.keys import SigningKey
from messaging.trust.site_signatures import SiteKey, verified_header
from messaging.wire_format.codec import Message, encode

NO_PLACE = LanePlace("stream", 1, 0, 0)


@cache
def site_key(site: str) -> SiteKey:
    """The key of a site, the same in one run of the tests."""
    return SiteKey(site, SigningKey(CryptoSigner.generate_ed25519()))


@cache
def director_key() -> SigningKey:
    """The key with which a cloud without releases signs."""
    return SigningKey(CryptoSigner.generate_ed25519())


async def show_key(bus: Bus, site: str) -> None:
    """Publish a site's first checkpoint, which names its key."""
    await bus.put_latest(CHECKPOINTS, site, site_key(site).checkpoint(START, 0).to_bytes())


def signed_headers(
    subject: str,
    data: bytes,
    *,
    n: int = 1,
    place: LanePlace = NO_PLACE,
    digest: str = "",
    by: str | None = None,
) -> dict[str, str]:
    """The header of a report, signed by its site, or by another one."""
    header = ReportHeader(LedgerPosition(n, digest or f"{n:064x}"), place)
    return site_key(by or subject.split(".")[1]).headers(subject, header, data)


def stated_by(site: str, delivery: Delivery) -> ReportHeader:
    """What a site's gate states beside a report that the hub delivers. Raises `TrustError`."""
    subject = published_subject(delivery.subject, delivery.message_id)
    return verified_header(site_key(site).key.public, subject, delivery.headers, delivery.data)


async def publish_signed(
    bus: Bus, message: Message, *, n: int = 1, place: LanePlace = NO_PLACE, digest: str = ""
) -> None:
    """Publish a report of a site as its gate does; the site shows its key before."""
    subject, data = report_subject(message.site, message.kind, message.id), encode(message)
    await show_key(bus, message.site)
    headers = signed_headers(subject, data, n=n, place=place, digest=digest)
    await bus.publish(subject, data, message_id=message.id, headers=headers)


async def put_signed_heartbeat(bus: Bus, message: Message, site: str | None = None) -> None:
    """Publish a heartbeat of a site as its gate does; the site shows its key before."""
    site = site or message.site
    await show_key(bus, site)
    value = site_key(site).heartbeat_value(START, encode(message))
    await bus.put_latest(HEARTBEATS, site, value)
