"""A site's weights for tests: opened, with a model in service, drained; and checks after a refusal."""

from edge.updates.weights_store import Action, WeightsStore
from messaging.reports import SwapOutcome, SwapReason, SwapReceipt
from messaging.trust.manifest import ReleaseManifest
from tests.support.release_fleet import Fleet


def opened(fleet: Fleet, patience_s: float = 0.0) -> WeightsStore:
    return WeightsStore(fleet.place(patience_s=patience_s), now_utc=fleet.now)


def in_service(fleet: Fleet, name: str = "one") -> tuple[WeightsStore, ReleaseManifest]:
    """A store with a model in service that an order installed, and that model; its receipts are sent."""
    store, manifest = opened(fleet), fleet.release(name)
    fleet.order(manifest.digest)
    assert store.poll(fleet.now).action is Action.INSTALL
    store.install(fleet.now)
    store.commit(fleet.now)
    drain(store)
    return store, manifest


def drain(store: WeightsStore) -> list[SwapReceipt]:
    receipts = list(store.receipts())
    for receipt in receipts:
        store.sent(receipt)
    return receipts


def models_on_disk(fleet: Fleet) -> set[str]:
    return {path.stem for path in (fleet.folder / "node" / "models").glob("*")}


def assert_refused(
    fleet: Fleet, store: WeightsStore, incumbent: ReleaseManifest, reason: SwapReason
) -> SwapReceipt:
    """Nothing is staged, the incumbent is untouched, also after a restart; the receipt gives the reason."""
    assert store.poll(fleet.now).action is Action.NOTHING
    receipt = drain(store)[-1]
    assert (receipt.outcome, receipt.reason) == (SwapOutcome.REFUSED, reason)
    for seen in (store, opened(fleet)):
        active = seen.active()
        assert active is not None
        assert active.digest == incumbent.digest
        assert seen.read(active) == fleet.target(incumbent).read_bytes()
        assert seen.staged() is None
    assert models_on_disk(fleet) == {incumbent.digest}
    return receipt
