"""`python -m synth.small_sd --out FOLDER`: train the small Stable Diffusion from drawn scenes."""

import argparse
from pathlib import Path

import torch

from messaging.runtime.program import configure_logging, exit_code_of
from synth.small_sd.run import Plan, train
from synth.small_sd.schedule import Budget

_VAE_FRACTION = 0.25


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m synth.small_sd", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="pipeline folder to write")
    parser.add_argument("--work", type=Path, help="where stages are kept (default: OUT with .work)")
    parser.add_argument("--minutes", type=float, default=75, help="training time, VAE a quarter (default 75)")
    parser.add_argument("--steps", type=int, help="UNet steps; ends the training before the minutes do")
    parser.add_argument("--vae-steps", type=int, help="VAE steps, likewise")
    parser.add_argument("--frames", type=int, default=2500, help="scenes to draw (default 2500)")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--photographs", type=Path, help="folder with images/train and labels/train (YOLO)")
    parser.add_argument("--detector", type=Path, help="detector bundle whose embeddings become prototypes")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--processes", type=int, default=2, help="for drawing (default 2)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="for training on CPU")
    parser.add_argument("--checkpoint-minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def _plan(given: argparse.Namespace) -> Plan:
    return Plan(
        work=given.work or given.out.with_name(f"{given.out.name}.work"),
        out=given.out,
        frames=given.frames,
        vae=Budget(given.vae_steps, given.minutes * _VAE_FRACTION),
        unet=Budget(given.steps, given.minutes * (1 - _VAE_FRACTION)),
        batch=given.batch,
        seed=given.seed,
        processes=given.processes,
        device=given.device,
        photographs=given.photographs,
        detector=given.detector,
        checkpoint_every_s=60 * given.checkpoint_minutes,
    )


def main() -> int:
    """Train as configured on the command line; 0 when the folder is written, 1 for an error, 2 for usage."""
    given = _parser().parse_args()
    configure_logging()
    torch.set_num_threads(given.threads)
    return exit_code_of(lambda: train(_plan(given)))


if __name__ == "__main__":
    raise SystemExit(main())
