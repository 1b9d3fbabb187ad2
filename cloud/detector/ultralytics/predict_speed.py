"""Times ultralytics' own `predict` for another program, so that both can be measured in turn.

    python -m cloud.detector.ultralytics.predict_speed yolo11n --width 448 --height 256

Each line on stdin names a file of images (`.npy`, uint8, n x h x w x 3, BGR); the answer is one line of JSON:
the milliseconds of each image. The network has that architecture and untrained weights, which take as long.
"""

import argparse
import json
import sys
import time

import numpy as np
import torch
from ultralytics import YOLO


def main() -> None:
    """Answer until stdin ends."""
    parser = argparse.ArgumentParser(description="Milliseconds of ultralytics' predict on one thread.")
    parser.add_argument("architecture")
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--height", type=int, required=True)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    model = YOLO(f"{wanted.architecture}.yaml", task="detect", verbose=False)
    for line in sys.stdin:
        taken_ms = []
        for image in np.load(line.strip()):
            began = time.perf_counter()
            model.predict(image, imgsz=(wanted.height, wanted.width), device="cpu", verbose=False)
            taken_ms.append(1000 * (time.perf_counter() - began))
        sys.stdout.write(json.dumps(taken_ms) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
