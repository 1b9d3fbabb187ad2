"""Images per second of a generator beside the plain diffusers call, at the same batch, steps and precision.

    python -m synth.experiments.bench_generate [--generator FOLDER] [--steps N] [--batch N] [--out FILE]

Both inpaint the same guided patches, in turns within one run, each with networks of its own; the ratio is the
median over the rounds. The plain call gets prompts and images and returns images, as a program without this
project would write it.
"""

import argparse
import datetime
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from messaging.figures import Figure, write_figures
from messaging.runtime.program import configure_logging
from synth.errors import GeneratorUnavailable
from synth.generation.generator import PatchRequest
from synth.generation.model_folder import BUNDLED_FOLDER, inspect_folder
from synth.generation.options import GeneratorOptions
from synth.generation.pipeline_loader import load_pipeline
from synth.generation.placement import weights_type
from synth.generation.stable_diffusion import DiffusionGenerator
from synth.order import Sampling
from synth.speed import plain_requests
from synth.torch_device import TorchDevice, choose_device

TARGET = ">= 0.9"


def plain_call(
    folder: Path, where: TorchDevice, sampling: Sampling
) -> Callable[[Sequence[PatchRequest]], Any]:
    """The pipeline of diffusers itself, called with prompts, images and masks."""
    model = inspect_folder(folder)
    with model.staged() as staged:
        pipeline = load_pipeline(model, staged, weights_type(where)).to(where.device)
    pipeline.set_progress_bar_config(disable=True)

    def call(requests: Sequence[PatchRequest]) -> Any:
        with where.autocast():
            return pipeline(
                prompt=[request.prompt for request in requests],
                image=np.stack([request.patch[..., ::-1] for request in requests]).astype(np.float32) / 255,
                mask_image=np.stack([request.mask for request in requests]).astype(np.float32),
                height=model.patch_px,
                width=model.patch_px,
                num_inference_steps=sampling.steps,
                guidance_scale=sampling.guidance,
                output_type="np",
            ).images

    return call


def rates(
    calls: Sequence[Callable[[Sequence[PatchRequest]], Any]], requests: Sequence[PatchRequest], rounds: int
) -> list[list[float]]:
    """Images per second of every call in every round; the calls take turns, in changing order."""
    for call in calls:
        call(requests)
    found: list[list[float]] = [[] for _ in calls]
    for number in range(rounds):
        for index in sorted(range(len(calls)), reverse=number % 2 == 1):
            started = time.perf_counter()
            calls[index](requests)
            found[index].append(len(requests) / (time.perf_counter() - started))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="synth.experiments.bench_generate")
    parser.add_argument("--generator", type=Path, default=BUNDLED_FOLDER, help="pipeline folder")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("out/figures/bench_generate.json"))
    given = parser.parse_args(arguments)
    configure_logging()
    sampling = Sampling(steps=given.steps, guidance=given.guidance)
    options, where = GeneratorOptions(batch=given.batch), choose_device()
    try:
        ours = DiffusionGenerator.from_folder(given.generator, sampling=sampling, options=options)
        plain = plain_call(given.generator, where, sampling)
    except GeneratorUnavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    requests = plain_requests(ours.patch_px, given.batch)
    fast, usual = rates((ours.inpaint, plain), requests, given.rounds)
    ratios = sorted(a / b for a, b in zip(fast, usual, strict=True))
    figures = [
        Figure("images_per_second", statistics.median(fast), "images/s", n=given.rounds),
        Figure("images_per_second_plain", statistics.median(usual), "images/s", n=given.rounds),
        Figure(
            "ratio_to_plain", statistics.median(ratios), "", TARGET, n=given.rounds,
            interval=(ratios[0], ratios[-1]),
        ),
    ]  # fmt: skip
    command = f"python -m synth.experiments.bench_generate --batch {given.batch} --steps {given.steps}"
    write_figures(given.out, figures, command=command, now=datetime.datetime.now(datetime.UTC))
    for figure in figures:
        sys.stdout.write(f"{figure.name}: {figure.value_text} on {where}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
