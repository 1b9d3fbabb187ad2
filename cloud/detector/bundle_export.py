"""Exports a weights file as a detector bundle: one ONNX file with its description in the metadata.

The graph has two outputs, raw boxes and projected features of the embedding layers. Weights come from
`cloud.detector.weights` and are never changed.
"""

import argparse
import hashlib
import io
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from cloud.detector.ultralytics.network import EmbeddingDetector, doubled
from cloud.detector.weights import FEATURE_STRIDE, DetectorWeights, read_weights, tap_channels
from cloud.errors import WeightsRefused
from messaging.errors import BlindspotError
from messaging.releases import METADATA_KEY, BundleDescription
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.program import exit_code_of

OPSET = 17


class ExportedDetector(nn.Module):
    """The network as sites run it: images -> (raw boxes, projected features)."""

    def __init__(self, weights: DetectorWeights) -> None:
        super().__init__()
        self.detector = EmbeddingDetector(weights)
        head = self.detector.network.model[-1]
        head.export, head.format = True, "onnx"
        matrix = torch.from_numpy(weights.basis.matrix)[:, :, None, None].clone()
        fine, _ = tap_channels(weights.tensors)
        self.fine, self.coarse = nn.Parameter(matrix[:, :fine]), nn.Parameter(matrix[:, fine:])
        self.offset = nn.Parameter(torch.from_numpy(weights.basis.offset).clone())
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3, h, w) RGB 0-1 -> (n, 4 + classes, anchors), (n, d, h/8, w/8).

        Projection and upsampling are both linear and commute; projecting first is cheaper.
        """
        boxes, fine, coarse = self.detector(images)
        features = nn.functional.conv2d(fine, self.fine, self.offset)
        return boxes, features + doubled(nn.functional.conv2d(coarse, self.coarse))


def describe_bundle(weights: DetectorWeights) -> BundleDescription:
    """The description of the bundle that `export_bundle` writes for these weights."""
    card = weights.card
    return BundleDescription(
        name=card.name,
        class_names=card.class_names,
        taxonomy_digest=card.taxonomy.digest,
        classes=card.taxonomy.classes,
        input_width=card.input_width,
        input_height=card.input_height,
        thresholds=dict(card.thresholds),
        feature_stride=FEATURE_STRIDE,
        embedding_width=len(weights.basis.matrix),
        embedding_digest=weights.embedding_digest,
        clip_norm=weights.basis.clip_norm,
        parent_digest=card.parent_digest,
        licence=card.licence,
    )


def bundle_bytes(weights: DetectorWeights) -> bytes:
    """The bytes of the detector bundle; their sha256 is the release's digest. Raises `WeightsRefused`."""
    try:
        description = describe_bundle(weights)
        card = weights.card
        buffer = io.BytesIO()
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                ExportedDetector(weights),
                (torch.zeros(1, 3, card.input_height, card.input_width),),
                buffer,  # type: ignore[arg-type]  # the exporter in use writes to files, the signature omits it
                dynamo=False,
                opset_version=OPSET,
                input_names=["images"],
                output_names=[description.boxes_output, description.features_output],
                dynamic_axes={
                    name: {0: "batch"}
                    for name in ("images", description.boxes_output, description.features_output)
                },
            )
        model = onnx.load_from_string(buffer.getvalue())
        entry = model.metadata_props.add()
        entry.key, entry.value = METADATA_KEY, description.model_dump_json()
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content
    except BlindspotError:
        raise
    except Exception as error:  # torch, onnx and ultralytics have no common base but Exception
        lines = str(error).strip().splitlines()
        raise WeightsRefused(
            f"the weights {weights.card.name} cannot be exported as a bundle "
            f"({lines[0][:200] if lines else type(error).__name__}); use weights that training wrote"
        ) from error


def export_bundle(weights: DetectorWeights, path: Path) -> str:
    """Write the bundle to a file, atomically. Returns its digest."""
    content = bundle_bytes(weights)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def main() -> int:
    """`python -m cloud.detector.bundle_export WEIGHTS BUNDLE`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cloud.detector.bundle_export", description=__doc__)
    parser.add_argument("weights", type=Path, help="weights file")
    parser.add_argument("bundle", type=Path, help="bundle to write")
    given = parser.parse_args()
    return exit_code_of(lambda: export_bundle(read_weights(given.weights), given.bundle))


if __name__ == "__main__":
    raise SystemExit(main())
