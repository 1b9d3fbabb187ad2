"""Training of the inpainting UNet, the text encoder and the prototype token on cached latents.

A third of the samples are empty streets, with a prompt for one, in the same place. Most of the time the UNet
gets the whole background instead of one with the masked part removed: it then learns to add the hazard to
what is there (as in InstructPix2Pix, Brooks et al. 2023). Prompts are dropped in 10 % of the steps
(classifier-free guidance, Ho & Salimans 2022), prototypes in 30 %. The loss is that of v-prediction (Salimans
& Ho 2022), weighted towards the mask, because only the masked part is pasted.
"""

import copy
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel
from transformers import CLIPTextModel, CLIPTokenizer

from messaging.taxonomy import DEFAULT_TAXONOMY, Condition, SizeBin
from synth.generation.exposure import exposures_of
from synth.planning.prompts import Medium, prompt_for
from synth.small_sd.autoencoder import as_tensor, lifted
from synth.small_sd.crops import NO_CLASS, CropSet
from synth.small_sd.models import PrototypeToken
from synth.small_sd.projection import Projection
from synth.small_sd.schedule import Budget, Schedule, exponential_mean
from synth.small_sd.work_files import reading, replacing

logger = logging.getLogger(__name__)

EMPTY_SHARE = 0.36
PROMPT_DROP = 0.10
PROTOTYPE_DROP = 0.30
PHOTOGRAPH_FRACTION = 0.12
BACKGROUND_SHOWN = 0.8
_MEAN_OF = 8
_MAX_NOISE = 0.7
_OUTSIDE_WEIGHT = 0.15
_PEAK_RATE = 8e-4
_LOG_EVERY = 100


class DenoiserParts(torch.nn.Module):
    """The networks that are trained together: UNet, text encoder, prototype token."""

    def __init__(self, unet: UNet2DConditionModel, text: CLIPTextModel, token: PrototypeToken) -> None:
        super().__init__()
        self.unet, self.text, self.token = unet, text, token

    def forward(
        self, latent: torch.Tensor, times: torch.Tensor, ids: torch.Tensor,
        vectors: torch.Tensor, known: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """(b, 9, s, s) input, (b,) times, (b, t) ids, (b, 64) prototypes, (b,) bool -> (b, 4, s, s) v."""
        context = torch.cat([self.text(ids)[0], self.token(vectors, known)], dim=1)
        predicted: torch.Tensor = self.unet(latent, times, context).sample
        return predicted


@dataclass(frozen=True, eq=False)
class Latents:
    """The crops as inputs of the UNet, on the CPU: (n, 4, s, s) float16, scaled, and (n, 1, s, s) masks."""

    hazard: torch.Tensor
    empty: torch.Tensor
    masked: torch.Tensor
    mask: torch.Tensor


def encode(projection: Projection, crops: CropSet, batch: int = 256) -> Latents:
    """Encode every crop once with the fixed encoder, brightened by the exponent of its empty patch."""
    mask = torch.from_numpy(crops.mask)[:, None].float()
    powers = torch.from_numpy(exposures_of(crops.empty))

    def latents(images_bgr: NDArray[np.uint8], *, holes: bool) -> torch.Tensor:
        parts = []
        for start in range(0, len(images_bgr), batch):
            rows = slice(start, start + batch)
            images = lifted(as_tensor(torch.from_numpy(images_bgr[rows])), powers[rows])
            parts.append(projection.encode(images * (mask[rows] < 0.5) if holes else images).half())
        return torch.cat(parts)

    hazard = latents(crops.hazard, holes=False)
    return Latents(
        hazard,
        latents(crops.empty, holes=False),
        latents(crops.empty, holes=True),
        functional.interpolate(mask, hazard.shape[-2:]).half(),
    )


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's samples on the CPU; see `DenoiserParts.forward`."""

    target: torch.Tensor
    masked: torch.Tensor
    mask: torch.Tensor
    ids: torch.Tensor
    vectors: torch.Tensor
    known: torch.Tensor


@dataclass
class Samples:
    """Draws balanced batches: all classes equally often, photographs in 12 %, empty streets in 36 %."""

    crops: CropSet
    latents: Latents
    tokens: CLIPTokenizer
    rng: np.random.Generator
    _chances: NDArray[np.float64] = field(init=False)
    _groups: dict[tuple[str, str], NDArray[np.int64]] = field(init=False)
    _ids: dict[str, torch.Tensor] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._chances = _chances(self.crops)
        keys = list(zip(self.crops.class_name.tolist(), self.crops.condition.tolist(), strict=True))
        known = np.abs(self.crops.embedding).sum(axis=1) > 0
        self._groups = {
            key: np.flatnonzero([k == key and bool(e) for k, e in zip(keys, known, strict=True)])
            for key in set(keys)
        }

    def batches(self, size: int) -> Iterator[Batch]:
        """Batches without end."""
        while True:
            rows = self.rng.choice(len(self.crops), size, p=self._chances)
            names = self.crops.class_name[rows]
            empty = ((self.rng.random(size) < EMPTY_SHARE) & self.crops.has_empty[rows]) | (names == NO_CLASS)
            silent = self.rng.random(size) < PROMPT_DROP
            vectors, known = zip(*(self._prototype(int(r)) for r in rows), strict=True)
            conditioned = np.asarray(known) & ~empty & ~silent & (self.rng.random(size) >= PROTOTYPE_DROP)
            at, is_empty = torch.from_numpy(rows), torch.from_numpy(empty)
            target = torch.where(
                is_empty[:, None, None, None], self.latents.empty[at], self.latents.hazard[at]
            )
            shown = self.crops.has_empty[rows] & (self.rng.random(size) < BACKGROUND_SHOWN)
            masked = torch.where(
                torch.from_numpy(shown)[:, None, None, None], self.latents.empty[at], self.latents.masked[at]
            )
            prompts = [
                "" if s else self._prompt(int(r), bool(e))
                for r, e, s in zip(rows, empty, silent, strict=True)
            ]
            yield Batch(
                target.float(), masked.float(), self.latents.mask[at].float(),
                torch.stack([self._tokenise(p) for p in prompts]),
                torch.from_numpy(np.stack(vectors)), torch.from_numpy(conditioned),
            )  # fmt: skip

    def _prompt(self, row: int, empty: bool) -> str:
        hazard = None if empty else DEFAULT_TAXONOMY.hazard(str(self.crops.class_name[row]))
        condition = Condition.parse(str(self.crops.condition[row]))
        size = SizeBin(str(self.crops.size[row])) if self.rng.random() < 0.7 else SizeBin.UNKNOWN
        return prompt_for(
            hazard, condition, rng=self.rng, size=size, medium=Medium(str(self.crops.medium[row]))
        )

    def _tokenise(self, prompt: str) -> torch.Tensor:
        if prompt not in self._ids:
            encoded = self.tokens(prompt, padding="max_length", truncation=True, return_tensors="pt")
            self._ids[prompt] = encoded.input_ids[0]
        return self._ids[prompt]

    def _prototype(self, row: int) -> tuple[NDArray[np.float32], bool]:
        """The crop's own vector or, half of the time, the mean over others of its kind; noised, unit."""
        vector = self.crops.embedding[row]
        if not vector.any():
            return np.zeros_like(vector), False
        if self.rng.random() < 0.5:
            group = self._groups[str(self.crops.class_name[row]), str(self.crops.condition[row])]
            vector = self.crops.embedding[self.rng.choice(group, _MEAN_OF)].mean(axis=0)
            vector = vector / max(float(np.linalg.norm(vector)), 1e-6)
        noise = self.rng.standard_normal(len(vector)) * self.rng.uniform(0, _MAX_NOISE) / np.sqrt(len(vector))
        noised = (vector + noise).astype(np.float32)
        return noised / max(float(np.linalg.norm(noised)), 1e-6), True


def _chances(crops: CropSet) -> NDArray[np.float64]:
    """Sampling probabilities: classes equal within a medium, photographs 12 % in all."""
    photograph = crops.medium == Medium.PHOTOGRAPH
    chances = np.zeros(len(crops))
    for medium, fraction in ((photograph, PHOTOGRAPH_FRACTION), (~photograph, 1 - PHOTOGRAPH_FRACTION)):
        names = set(crops.class_name[medium].tolist())
        for name in names:
            rows = medium & (crops.class_name == name)
            chances[rows] = fraction / len(names) / rows.sum()
    return np.asarray(chances / chances.sum(), np.float64)


@dataclass(eq=False)
class DenoiserProgress:
    """The state of a training: networks, their average, optimiser, steps and seconds."""

    parts: DenoiserParts
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    steps: int = 0
    spent_s: float = 0.0

    @classmethod
    def start(cls, parts: DenoiserParts, saved: Path, device: str) -> "DenoiserProgress":
        """A new training, or the one saved in `saved`. Raises `SynthesisError`."""
        parts = parts.to(device)
        average = AveragedModel(parts, avg_fn=exponential_mean)
        optimiser = torch.optim.AdamW(parts.parameters(), lr=_PEAK_RATE, betas=(0.9, 0.99), weight_decay=0.01)
        progress = cls(parts, average, optimiser)
        if saved.exists():
            with reading(saved):
                state = torch.load(saved, weights_only=True, map_location=device)
                parts.load_state_dict(state["parts"])
                average.load_state_dict(state["average"])
                optimiser.load_state_dict(state["optimiser"])
                progress.steps, progress.spent_s = state["steps"], state["spent_s"]
        return progress

    def save(self, path: Path) -> None:
        """Write the state, replacing the last one."""
        state = {
            "parts": self.parts.state_dict(), "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(), "steps": self.steps, "spent_s": self.spent_s,
        }  # fmt: skip
        with replacing(path) as draft:
            torch.save(state, draft)

    def averaged(self) -> DenoiserParts:
        """A copy of the averaged weights on the CPU, ready to be saved as a pipeline."""
        parts = copy.deepcopy(self.parts).cpu().eval()
        parts.load_state_dict(self.average.module.state_dict())
        return parts


def train_denoiser(
    progress: DenoiserProgress, samples: Samples, noising: DDIMScheduler, budget: Budget, *,
    batch: int, seed: int, clock: Callable[[], float], every_s: float,
    checkpoint: Callable[[DenoiserProgress], None],
) -> None:  # fmt: skip
    """Train until the budget is spent; `checkpoint` is called every `every_s` seconds and at the end."""
    draw = torch.Generator().manual_seed(seed + progress.steps)
    schedule = Schedule(budget, _PEAK_RATE, clock, spent_s=progress.spent_s)
    due_s = schedule.spent_s + every_s
    for sample in samples.batches(batch):
        if schedule.progress(progress.steps) >= 1.0:
            break
        for group in progress.optimiser.param_groups:
            group["lr"] = schedule.rate(progress.steps)
        loss = _loss(progress.parts, sample, noising, draw)
        progress.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(progress.parts.parameters(), 1.0)
        progress.optimiser.step()
        progress.average.update_parameters(progress.parts)
        progress.steps, progress.spent_s = progress.steps + 1, schedule.spent_s
        if progress.steps % _LOG_EVERY == 0:
            logger.info("unet step %d loss %.4f after %.0f s", progress.steps, loss.item(), progress.spent_s)
        if progress.spent_s >= due_s:
            checkpoint(progress)
            due_s = schedule.spent_s + every_s
    checkpoint(progress)


def _loss(parts: DenoiserParts, sample: Batch, noising: DDIMScheduler, draw: torch.Generator) -> torch.Tensor:
    device = next(parts.parameters()).device
    target = sample.target
    noise = torch.randn(target.shape, generator=draw)
    times = torch.randint(noising.config.num_train_timesteps, (len(target),), generator=draw)
    noisy = noising.add_noise(target, noise, times)
    wanted = noising.get_velocity(target, noise, times).to(device)
    latent = torch.cat([noisy, sample.mask, sample.masked], dim=1).to(device)
    with torch.autocast(device.type, torch.bfloat16):
        given = (sample.ids.to(device), sample.vectors.to(device), sample.known.to(device))
        predicted = parts(latent, times.to(device), *given)
    weight = _OUTSIDE_WEIGHT + functional.max_pool2d(sample.mask, 3, stride=1, padding=1).to(device)
    wrong = (predicted.float() - wanted).square() * weight
    mean: torch.Tensor = wrong.sum() / (weight.sum() * wanted.shape[1])
    return mean
