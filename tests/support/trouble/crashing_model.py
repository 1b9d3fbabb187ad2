"""A real node whose new model ends its process, under a supervisor that restarts it as the shipped unit."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.updates.weights_state import WeightsState, read_state
from messaging.reports import SwapOutcome, SwapReason
from tests.support.edge.tiny_bundles import ends_process_on_bright, tiny_bundle
from tests.support.trouble.node_folder import ROOT, NodeFolder
from tests.support.waiting import wait_until

UNIT = ROOT / "deploy" / "systemd" / "blindspot-node@.service"
DARK, BRIGHT, GOOD_FRAMES = 90, 255, 10
WITHIN_S = 120.0


@dataclass(frozen=True)
class Recovery:
    """Seconds after the swap, until the model before is in service again for good, with a frame processed.

    `ended`: how often the process ended by itself, `by_signal` of these by a signal.
    """

    serves_again_s: float
    ended: int
    by_signal: int


def restart_s() -> float:
    """The seconds for which the shipped unit waits before it starts a node again."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return next(float(line.partition("=")[2]) for line in lines if line.startswith("RestartSec="))


class SupervisedNode(NodeFolder):
    """A node that is started again whenever it ends; `codes`: the exit codes, negative for a signal."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.codes: list[int] = []
        self._images = 1

    @property
    def state(self) -> WeightsState:
        """The node's state on disk."""
        return read_state(self.data / "weights" / "state.json")

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """The node and its supervisor, while the context lasts."""
        stop, wait_s = threading.Event(), restart_s()

        def supervise() -> None:
            while not stop.is_set():
                with self.running() as process:
                    while process.poll() is None and not stop.is_set():
                        time.sleep(0.02)
                    if process.returncode is not None:
                        self.codes.append(process.returncode)
                stop.wait(wait_s)

        supervisor = threading.Thread(target=supervise, name="supervisor")
        supervisor.start()
        try:
            yield
        finally:
            stop.set()
            supervisor.join(60)

    def see(self, level: int, images: int) -> None:
        """The camera sees so many more images, all of one grey."""
        for _ in range(images):
            self._images += 1
            self.add_image(f"{self._images:04}.png", level)

    def serves(self, digest: str) -> bool:
        """Whether this model is in service by the node's metrics, and has processed a frame."""
        rows = self.page("/metrics")[1].splitlines()
        model = [row for row in rows if row.startswith("blindspot_edge_model_info{") and digest in row]
        return bool(model) and self.frames() > 0


def recovery(folder: Path, *, passed: bool = False) -> Recovery:
    """Put a model in service that ends the process on bright images, and show it some.

    `passed`: it passes its probation on dark images before.
    """
    node = SupervisedNode(folder)
    first = node.sign_model()
    node.write_config(
        updates={"poll_s": 0.2, "trial_s": 0.0, "trial_frames": GOOD_FRAMES, "latency_factor": 100.0},
        evidence={"motion_filter": False},
    )
    with node.supervised():
        wait_until(lambda: node.state.active == first, WITHIN_S, "the first model is in service")
        node.see(DARK, GOOD_FRAMES)
        wait_until(lambda: node.state.trial is None, WITHIN_S, "the first model has passed its probation")
        second = node.sign_model(tiny_bundle(change=ends_process_on_bright), version=2)
        wait_until(lambda: node.state.active == second, WITHIN_S, "the new model is in service")
        if passed:
            node.see(DARK, GOOD_FRAMES)
            wait_until(lambda: node.state.trial is None, WITHIN_S, "the new model has passed its probation")
        swapped_s = time.monotonic()
        node.see(BRIGHT, 3)

        def serves_for_good() -> bool:
            node.see(BRIGHT, 1)
            time.sleep(0.1)
            return _given_up(node.state, second.digest) and node.serves(first.digest)

        wait_until(serves_for_good, WITHIN_S, "the model before is in service for good")
        again_s = time.monotonic() - swapped_s
    ended = [code for code in node.codes if code != 0]
    return Recovery(again_s, len(ended), sum(code < 0 for code in ended))


def _given_up(state: WeightsState, digest: str) -> bool:
    wanted = (digest, SwapOutcome.ROLLED_BACK, SwapReason.CRASHED)
    return any((one.digest, one.outcome, one.reason) == wanted for one in state.receipts)
