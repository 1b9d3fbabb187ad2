"""One training from nothing to a pipeline folder, in stages that leave their result in a work folder.

Stages: draw, cut (and embed), VAE decoder, UNet. A stage whose result is in the work folder is not run
again, so a stopped training continues. Every few minutes the output folder is written again.
"""

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from edge.vision.onnx_detector import OnnxDetector
from synth.generation.exposure import exposures_of
from synth.generation.model_format import (
    PROTOTYPE_SPACE_FILE,
    prototype_space_json,
    prototype_space_of,
)
from synth.small_sd.autoencoder import as_tensor, lifted, train_decoder
from synth.small_sd.crops import CropSet
from synth.small_sd.denoiser import DenoiserParts, DenoiserProgress, Samples, encode, train_denoiser
from synth.small_sd.folder import refuse_foreign_folder, write_folder
from synth.small_sd.frames import draw_frames
from synth.small_sd.models import (
    PrototypeToken,
    Sizes,
    autoencoder,
    denoiser,
    scheduler,
    text_encoder,
    tokenizer,
)
from synth.small_sd.projection import fit_projection, read_projection
from synth.small_sd.schedule import Budget
from synth.small_sd.training_set import drawn_crops, photographed_crops
from synth.small_sd.work_files import reading, replacing

logger = logging.getLogger(__name__)

_EVERY = 16


@dataclass(frozen=True)
class Plan:
    """What to train on, for how long, and where.

    `frames` scenes are drawn; `photographs` and `detector` may be absent (then neither is used).
    """

    work: Path
    out: Path
    frames: int
    vae: Budget
    unet: Budget
    batch: int = 16
    seed: int = 0
    processes: int = 2
    device: str = "cpu"
    photographs: Path | None = None
    detector: Path | None = None
    checkpoint_every_s: float = 600.0
    sizes: Sizes = field(default_factory=Sizes)


def train(plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
    """Run all stages; the last write of `plan.out` is the finished model.

    Raises `ConfigurationError` before anything is drawn when `plan.out` holds something else than a model.
    """
    refuse_foreign_folder(plan.out)
    torch.manual_seed(plan.seed)
    plan.work.mkdir(parents=True, exist_ok=True)
    crops = _crops(plan)
    vae = _vae(plan, crops, clock)
    tokens, noising = tokenizer(plan.sizes), scheduler()
    parts = DenoiserParts(
        denoiser(plan.sizes), text_encoder(plan.sizes, tokens), PrototypeToken(plan.sizes.text_width)
    )
    state = plan.work / "unet.pt"
    progress = DenoiserProgress.start(parts, state, plan.device)
    draw = np.random.default_rng([plan.seed, 4, progress.steps])
    samples = Samples(crops, encode(read_projection(vae), crops), tokens, draw)

    def checkpoint(now: DenoiserProgress) -> None:
        now.save(state)
        write_folder(
            plan.out, vae=vae, parts=now.averaged(), tokens=tokens, noising=noising,
            prototype_space=prototype_space_of(plan.work / PROTOTYPE_SPACE_FILE),
        )  # fmt: skip
        logger.info("checkpoint at unet step %d after %.0f s in %s", now.steps, now.spent_s, plan.out)

    train_denoiser(
        progress, samples, noising, plan.unet, batch=plan.batch, seed=plan.seed, clock=clock,
        every_s=plan.checkpoint_every_s, checkpoint=checkpoint,
    )  # fmt: skip


def _crops(plan: Plan) -> CropSet:
    """The crops; the embedding space of their prototypes is written into a file beside them."""
    path, space = plan.work / "crops.npz", plan.work / PROTOTYPE_SPACE_FILE
    if path.exists():
        return CropSet.load(path)
    frames = plan.work / "frames"
    draw_frames(frames, range(plan.frames), plan.processes)
    detector = OnnxDetector(plan.detector) if plan.detector else None
    parts = [drawn_crops(frames, detector, plan.seed)]
    if plan.photographs:
        parts.append(photographed_crops(plan.photographs, detector, plan.seed))
    crops = CropSet.join(parts)
    space.unlink(missing_ok=True)
    if detector:
        space.write_text(prototype_space_json(detector.description.embedding_digest))
    crops.save(path)
    return crops


def _vae(plan: Plan, crops: CropSet, clock: Callable[[], float]) -> AutoencoderKL:
    folder = plan.work / "vae"
    if folder.exists():
        with reading(folder):
            saved: AutoencoderKL = AutoencoderKL.from_pretrained(folder, local_files_only=True).eval()
        return saved
    powers = torch.from_numpy(exposures_of(crops.empty[::_EVERY]))
    projection = fit_projection(lifted(as_tensor(torch.from_numpy(crops.hazard[::_EVERY])), powers))
    vae, steps = train_decoder(
        autoencoder(plan.sizes), projection, crops, plan.vae, batch=plan.batch, seed=plan.seed, clock=clock,
        device=plan.device,
    )  # fmt: skip
    logger.info("decoder finished after %d steps", steps)
    with replacing(folder) as draft:
        shutil.rmtree(draft, ignore_errors=True)
        vae.save_pretrained(draft)
    return vae
