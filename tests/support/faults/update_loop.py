"""A node that does nothing but updates, one after the other, until it is killed: `python -m ... FOLDER`."""

import itertools
import sys
from pathlib import Path

from edge.updates.weights_store import Action, WeightsStore
from messaging.releases import Channel, RolloutOrder
from messaging.reports import SwapReason
from messaging.runtime.atomic_files import write_atomically
from messaging.trust.orders import sign_order
from messaging.trust.signing import Repository
from tests.support.release_fleet import NOW, SITE, place_in


def main(folder: Path) -> None:
    """Order every release in turn, in shadow and in service, and carry the orders out; every third fails."""
    repository = Repository.open(folder / "releases", clock=lambda: NOW)
    store = WeightsStore(place_in(folder, repository.site_trust), now_utc=NOW)
    digests = sorted(repository.releases())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for turn in itertools.count():
        digest = digests[(store.state.last_sequence // 2) % len(digests)]
        repository.sign_ticket(digest, [SITE], NOW + 60)
        for name, data in repository.metadata_files().items():
            write_atomically(folder / "mirror" / "metadata" / name, data)
        order = RolloutOrder(
            site=SITE,
            sequence=store.state.last_sequence + 1,
            digest=digest,
            channel=Channel.TRIAL if turn % 2 == 0 else Channel.SERVICE,
            issued_at_utc=NOW,
            expires_at_utc=NOW + 60,
            downgrade=True,
        )
        (folder / "mirror" / "orders" / f"{SITE}.json").write_bytes(sign_order(order, repository.director))
        decision = store.poll(NOW)
        if decision.action is Action.SHADOW:
            store.begin_load(NOW)
            store.shadow_begun(NOW)
        elif decision.action is Action.INSTALL:
            store.begin_load(NOW)
            store.install(NOW)
        if store.state.trial is not None and turn % 3 == 0:
            store.roll_back(SwapReason.CRASHED, NOW)
        elif store.state.trial is not None:
            store.commit(NOW)
        for receipt in store.receipts():
            store.sent(receipt)
        sys.stdout.write("updated\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
