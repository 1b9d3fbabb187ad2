"""COCO weights with a head for our classes: what every detector of ours is trained from."""

from pathlib import Path

from cloud.detector.ultralytics_yolo import start_from_coco
from cloud.detector.weights import WeightsCard, read_weights
from cloud.errors import WeightsRefused
from cloud.starting_detector import STARTING_WEIGHTS
from synth.street import DRAWN_CLASSES

THRESHOLD = 0.25
INPUT_WIDTH, INPUT_HEIGHT = 448, 256  # 16:9, as cameras see, in steps of the network's 32 pixels


def coco_start(coco: Path, out: Path, *, licence: str) -> Path:
    """Write the start of every training, in the embedding space of the shipped basis, to `out`.

    Raises:
        WeightsRefused: another file than the known one, or its frozen layers are not those that the shipped
            basis belongs to.
    """
    shipped = read_weights(STARTING_WEIGHTS)
    thresholds = dict.fromkeys(DRAWN_CLASSES, THRESHOLD)
    card = WeightsCard("coco-start", DRAWN_CLASSES, thresholds, INPUT_WIDTH, INPUT_HEIGHT, licence)
    start = start_from_coco(coco, shipped.basis, card)
    if start.embedding_digest != shipped.embedding_digest:
        raise WeightsRefused(
            f"the frozen layers of {coco} give embedding {start.embedding_digest[:12]}, the shipped ones "
            f"{shipped.embedding_digest[:12]}; the generator's prototypes would mean nothing"
        )
    start.write(out)
    return out
