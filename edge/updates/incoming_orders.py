"""Evaluates the rollout order in the mirror: accepted with its release and weights, or refused.

Reads the untrusted mirror, writes nothing. An order is checked before anything that it names is read; then
release metadata by the TUF client workflow; then channel, version floor and classes; then length and digest
of the weights. The same envelope is evaluated once.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from edge.updates.weights_state import WeightsState
from messaging.errors import BlobError, TrustError
from messaging.releases import Channel, Role, RolloutOrder, order_key
from messaging.reports import SwapReason
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.orders import MAX_ORDER_BYTES, judge_order, verify_order
from messaging.trust.site_trust import SiteTrust, TrustedReleases, checked_weights
from messaging.trust.tickets import check_ticket

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WeightsPlace:
    """Where a node's models are, and what it trusts.

    Attributes:
        folder: the node's own folder; no other program writes there.
        mirror: filled by the gate: `metadata/`, `targets/<sha256>`, `orders/<site>.json` (a teacher's:
            `orders/<site>.teacher.json`).
        site: this site's name.
        trust: the trust file from the site's enrolment.
        role: what the models of this folder are at the site.
        taxonomy_digest: the classes that a detector must have; None takes those of the first model.
        patience_s: an order and the metadata that it needs travel separately, so a refusal that rests
            on the mirror becomes final only after this time.
    """

    folder: Path
    mirror: Path
    site: str
    trust: SiteTrust
    role: Role = Role.DETECTOR
    taxonomy_digest: str | None = None
    patience_s: float = 30.0

    def model_path(self, manifest: ReleaseManifest) -> Path:
        """Path of a model in the node's own folder, present or not."""
        return self.folder / "models" / f"{manifest.digest}.onnx"


@dataclass(frozen=True)
class AcceptedOrder:
    """A genuine order and its release.

    `data` are verified bytes, None when they are on disk already. `ticket` is the number of the downgrade
    ticket that it needs, 0 without one.
    """

    order: RolloutOrder
    manifest: ReleaseManifest
    data: bytes | None
    ticket: int


@dataclass(frozen=True)
class RefusedOrder:
    """An order that is not carried out.

    `order` is None without a valid signature. `used_up`: its sequence counts as used.
    """

    order: RolloutOrder | None
    reason: SwapReason
    used_up: bool


class IncomingOrders:
    """The orders of one site and role, as its mirror shows them."""

    def __init__(self, place: WeightsPlace) -> None:
        self._place = place
        self.releases = TrustedReleases(place.folder / "trust", place.mirror, place.trust)
        self._judged = b""
        self._unreadable = ""
        self._held: tuple[int, SwapReason, int] | None = None

    def next(self, state: WeightsState, now_utc: int) -> AcceptedOrder | RefusedOrder | None:
        """The verdict on an order not judged yet; None when there is none, or not all of it is there."""
        envelope = self._envelope()
        if not envelope or envelope == self._judged:
            return None
        try:
            order = verify_order(envelope, self._place.trust.director)
        except TrustError as error:
            self._judged = envelope
            logger.warning("%s", error)
            return RefusedOrder(None, SwapReason(error.reason), used_up=False)
        if order.site == self._place.site and order.sequence == state.last_sequence:
            self._judged = envelope
            return None
        reason = judge_order(order, self._place.site, state.seen, now_utc)
        if reason is SwapReason.CLOCK_NOT_SANE:
            return self._refused_once(order, reason, now_utc)
        if reason is not SwapReason.NONE:
            self._judged = envelope
            return RefusedOrder(order, reason, used_up=reason is SwapReason.EXPIRED)
        verdict = self._follow(order, state, now_utc)
        if verdict is not None:
            self._judged, self._held = envelope, None
        return verdict

    def judge_again(self) -> None:
        """Forget the last verdict: the disk did not take what follows from it."""
        self._judged, self._held = b"", None

    def _follow(
        self, order: RolloutOrder, state: WeightsState, now_utc: int
    ) -> AcceptedOrder | RefusedOrder | None:
        try:
            manifest, ticket = self.releases.signed(order.digest, now_utc)
            check_eligible(order, manifest, state, self._place)
            needed = needs_ticket(order, manifest, state)
            usable = ticket if order.downgrade else None
            used = check_ticket(usable, self._place.site, state.last_ticket, now_utc) if needed else 0
            return AcceptedOrder(order, manifest, self._data(manifest), used)
        except BlobError as error:
            logger.debug("order %d waits: %s", order.sequence, error)
            return None
        except TrustError as error:
            reason = SwapReason(error.reason)
            if self._since(order, reason, now_utc) < self._place.patience_s:
                return None
            logger.warning("order %d refused: %s", order.sequence, error)
            return RefusedOrder(order, reason, used_up=True)

    def _data(self, manifest: ReleaseManifest) -> bytes | None:
        path = self._place.model_path(manifest)
        return None if is_whole(path, manifest) else self.releases.weights(manifest)

    def _since(self, order: RolloutOrder, reason: SwapReason, now_utc: int) -> int:
        """Seconds for which this reason has applied to this order."""
        if self._held is None or self._held[:2] != (order.sequence, reason):
            self._held = (order.sequence, reason, now_utc)
        return now_utc - self._held[2]

    def _refused_once(self, order: RolloutOrder, reason: SwapReason, now_utc: int) -> RefusedOrder | None:
        """Report a wrong clock once; the order is evaluated again when the clock is right."""
        if self._held is not None and self._held[:2] == (order.sequence, reason):
            return None
        self._held = (order.sequence, reason, now_utc)
        return RefusedOrder(order, reason, used_up=False)

    def _envelope(self) -> bytes:
        path = self._place.mirror / "orders" / f"{order_key(self._place.site, self._place.role)}.json"
        try:
            with path.open("rb") as file:
                envelope = file.read(MAX_ORDER_BYTES + 1)
        except FileNotFoundError:
            return b""
        except OSError as error:
            if str(error) != self._unreadable:
                logger.error("the rollout order cannot be read: %s", error)
            self._unreadable = str(error)
            return b""
        self._unreadable = ""
        return envelope


def check_eligible(
    order: RolloutOrder, manifest: ReleaseManifest, state: WeightsState, place: WeightsPlace
) -> None:
    """Raise `TrustError` unless this signed release may do at this site what the order asks.

    A teacher is not tried in shadow runs, and it may have other classes than the detector.
    """
    short = manifest.digest[:12]
    if not order.role == manifest.role == place.role:
        raise TrustError(
            f"release {short} is signed as {manifest.role} and was ordered as {order.role}; wanted is a "
            f"{place.role}",
            SwapReason.UNKNOWN_RELEASE,
        )
    teacher = place.role is Role.TEACHER
    wanted_channel = Channel.SERVICE if teacher else order.channel
    if wanted_channel is Channel.SERVICE and Channel.TRIAL in (order.channel, manifest.channel):
        raise TrustError(f"release {short} is for trial only", SwapReason.NOT_FOR_SERVICE)
    if teacher:
        return
    if place.taxonomy_digest not in (None, manifest.taxonomy_digest):
        raise TrustError(f"release {short} has other classes than this site", SwapReason.WRONG_CLASSES)
    if state.active is not None and not _continues(state.active.class_names, manifest, order):
        raise TrustError(
            f"release {short} has the classes {', '.join(manifest.class_names)}; the model in service has "
            f"{', '.join(state.active.class_names)}, which must come first and in this order",
            SwapReason.WRONG_CLASSES,
        )


def needs_ticket(order: RolloutOrder, manifest: ReleaseManifest, state: WeightsState) -> bool:
    """Whether a release is below the version floor and no model of this site's own.

    The one in service, and for an order back the one before, need no ticket: the site may go back to it by
    itself, and the cloud rolls a rollout back without a person.
    """
    kept = [state.active, *([state.previous] if order.downgrade else [])]
    own = {model.digest for model in kept if model is not None}
    return manifest.version < state.version_floor and manifest.digest not in own


def _continues(names: tuple[str, ...], manifest: ReleaseManifest, order: RolloutOrder) -> bool:
    """Whether a release has these classes first, so that class indices keep their meaning.

    A downgrade may go back to a model from before the last ones were added.
    """
    longer = manifest.class_names[: len(names)] == names
    return longer or (order.downgrade and names[: len(manifest.class_names)] == manifest.class_names)


def read_checked(path: Path, manifest: ReleaseManifest) -> bytes:
    """A model file's bytes. Raises `TrustError` when absent, or of another length or digest than signed."""
    try:
        with path.open("rb") as file:
            return checked_weights(file.read(manifest.length_bytes + 1), manifest)
    except OSError as error:
        raise TrustError(f"model file {path} cannot be read: {error.strerror}", "wrong_length") from None


def is_whole(path: Path, manifest: ReleaseManifest) -> bool:
    """Whether the file is there and is what was signed."""
    try:
        read_checked(path, manifest)
    except TrustError:
        return False
    return True
