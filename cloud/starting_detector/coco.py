"""What the shipped detectors are trained from: COCO weights with a head for our classes, or random ones."""

from pathlib import Path

from cloud.detector.ultralytics.network import start_from_checkpoint, untrained_weights
from cloud.detector.weights import DetectorWeights, WeightsCard, read_weights
from cloud.errors import WeightsRefused
from cloud.starting_detector import STARTING_WEIGHTS
from synth.street import DRAWN_CLASSES

THRESHOLD = 0.25
INPUT_WIDTH, INPUT_HEIGHT = (
    448,
    256,
)  # 16:9, like most cameras, in multiples of 32 pixels, as the network needs


def coco_start(coco: Path, out: Path, *, licence: str) -> Path:
    """Write the initial weights, in the embedding space of the shipped basis, to `out`.

    Raises:
        WeightsRefused: `coco` is no detection checkpoint of ultralytics, or its frozen layers do not match
            the shipped basis.
    """
    shipped = read_weights(STARTING_WEIGHTS)
    start = start_from_checkpoint(coco, shipped.basis, _card("coco-start", licence))
    if start.embedding_digest != shipped.embedding_digest:
        raise WeightsRefused(
            f"the frozen layers of {coco} give embedding {start.embedding_digest[:12]}, the shipped ones "
            f"{shipped.embedding_digest[:12]}; the generator was trained with prototypes of the shipped space"
        )
    start.write(out)
    return out


def untrained(architecture: str, *, licence: str) -> DetectorWeights:
    """Random weights of an architecture (from a fixed seed), with a basis that is to be fitted."""
    return untrained_weights(architecture, _card("untrained", licence))


def _card(name: str, licence: str) -> WeightsCard:
    thresholds = dict.fromkeys(DRAWN_CLASSES, THRESHOLD)
    return WeightsCard(name, DRAWN_CLASSES, thresholds, INPUT_WIDTH, INPUT_HEIGHT, licence)
