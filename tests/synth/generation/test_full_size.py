"""A model of the size of Stable Diffusion 1 inpainting, its weights random, carries an order on the CPU."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from messaging.runtime.atomic_files import write_atomically
from messaging.taxonomy import SizeBin
from synth.generation.single_file import SHAPES_FOLDER, inspect_file
from synth.order import Sampling
from synth.selection.labelled_set import LabelledSet
from tests.support.synth.orders import geometry, order
from tests.support.synth.original_layout import original_layout
from tests.support.synth.random_pipelines import random_pipeline

UNET_PARAMETERS = 859_535_364
LARGEST_GB = 9.0


def _write_model(path: Path) -> int:
    """One file with random weights in half precision; returns the number of the UNet's parameters."""
    pipeline = random_pipeline(SHAPES_FOLDER, torch.float16, contrast=20.0)
    save_file(original_layout(pipeline), path)
    return sum(tensor.numel() for tensor in pipeline.unet.parameters())


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_single_file_of_860_million_parameters_carries_an_order_of_two_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "sd1-inpainting.safetensors"
    assert _write_model(model) == UNET_PARAMETERS
    assert inspect_file(model).patch_px == 512
    wanted = order(count=2, geometry=(geometry(SizeBin.LARGE),), sampling=Sampling(steps=1, sampler="ddim"))
    write_atomically(tmp_path / "order.json", wanted.model_dump_json().encode())
    write_atomically(tmp_path / "options.json", b'{"device": "cpu", "attention_slicing": "auto"}')
    command = [
        *(sys.executable, "-m", "synth.run", str(tmp_path / "order.json"), str(tmp_path / "out")),
        *("--generator", str(model), "--options", str(tmp_path / "options.json"), "--streets", "drawn"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    labelled = LabelledSet.open(tmp_path / "out")
    peak_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    with capsys.disabled():
        sys.stdout.write(f"\n860 million parameters on the CPU: peak memory {peak_gb:.1f} GB\n")
    assert labelled.manifest.complete
    assert len(labelled.images) == 2
    assert {hazard.steps for row in labelled.provenance() for hazard in row.hazards} == {1}
    assert peak_gb <= LARGEST_GB
