"""Handed inputs of the generator: Stable Diffusion folders as users have them."""

import json
import os
from functools import partial
from pathlib import Path

from tests.trouble.bench import ROOT, Bench, Result, says
from tests.trouble.case import Case, add, need
from tests.trouble.parts import handed_folder

CHECKPOINT = ROOT / "synth" / "small_sd" / "checkpoint"
ORDER = {
    "order": "o1",
    "class_name": "pothole",
    "light": "day",
    "weather": "clear",
    "geometry": [{"size": "medium", "region": "bottom", "weight": 1.0}],
    "count": 1,
    "seed": 1,
    "patch_budget": 24,
    "best_of": 1,
    "image_width": 320,
    "image_height": 192,
}


def synthesise(bench: Bench, generator: str | Path, out: str = "out", *options: object) -> Result:
    """`python -m synth.run` of a small order with this generator."""
    order = bench.folder / "order.json"
    order.write_text(json.dumps(ORDER))
    return bench.run(
        "synth.run", order, bench.folder / out, "--generator", generator, *options, code=None, timeout_s=180
    )


def generator_digest(bench: Bench, out: str = "out") -> str:
    """The digest of the generator in the facts of the finished set."""
    need((bench.folder / out / "manifest.json").exists(), "no set was written")
    return str(json.loads((bench.folder / out / "run.json").read_text())["generator_digest"])


def _folders(bench: Bench) -> Path:
    """The handed script makes all its folders once; a filter that matches none keeps it from running them."""
    return handed_folder(bench, "case23_sd_folders.py", CHECKPOINT, last="none of them")


MAY_RUN = ("03_fp16_variant", "04_safety_checker_listed")


def _generator(bench: Bench, name: str, prints: tuple[str, ...] | None) -> None:
    place = name if "/" in name else str(_folders(bench) / name)
    result = synthesise(bench, place)
    if prints is None:
        need(result.code == 0, f"does not run: {result.tail()}")
        need(len(generator_digest(bench)) == 64, "the set has no digest of the generator")
        return
    if result.code == 0 and name in MAY_RUN:
        need(len(generator_digest(bench)) == 64, "the set has no digest of the generator")
        need(not says(result.text, prints), f"{prints} is not mentioned: {result.tail()}")
        return
    need(result.code == 1, f"exit code {result.code}: {result.tail()}")
    need(not (missing := says(result.text, prints)), f"the sentence lacks {missing}: {result.tail()}")
    need(not (bench.folder / "out" / "manifest.json").exists(), "a set was written")
    need(
        os.sep + "images" not in str(list((bench.folder).glob("out/*"))),
        "images were made before the refusal",
    )


for _kind, _name, _prints in (
    ("R", "00_whole", None),
    ("R", "01_lfs_pointer_unet", ("unet", "LFS|not a safetensors|header")),
    ("R", "02_lfs_pointer_text_encoder", ("text_encoder", "LFS|not a safetensors|header")),
    ("T", "03_fp16_variant", ("fp16|variant",)),
    ("R", "04_safety_checker_listed", ("safety_checker",)),
    ("R", "05_single_file.safetensors", ("05_single_file", "folder|file")),
    ("R", "06_cut_download", ("unet", "cut|incomplete|damaged|short|header|download")),
    ("R", "07_model_index_cut", (r"model_index\.json",)),
    ("R", "08_lora", ("08_lora", r"model_index\.json|no .*pipeline|LoRA")),
    ("T", "stabilityai/stable-diffusion-2-inpainting", ("revision|@",)),
    ("R", "someone/sd-inpainting@0123456789abcdef0123456789abcdef01234567", ("someone/sd-inpainting",)),
    ("S", "12_pickle_only", (r"\.bin|pickle", "safetensors")),
    ("R", "13_text_to_image_unet", ("unet", "inpaint")),
    ("P", "15_ünï côdé [x]", None),
):
    _short = _name.split("/")[-1].split("@")[0].split(".")[0].replace("_", "-").replace(" ", "-")
    add(
        Case(
            f"{_kind}-handed-23-{_short}",
            _kind,
            f"generator {_name}: {f'one sentence with {_prints}' if _prints else 'runs'}",
            partial(_generator, name=_name, prints=_prints),
            "case23_sd_folders.py",
        )
    )
