"""Handed inputs of cameras: hostile images, half files, sizes that change, names without zeros, times."""

import math
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support.edge.tiny_bundles import GRID, tiny_bundle, tiny_description
from tests.trouble.bench import ROOT, Bench, environment, says
from tests.trouble.case import NotPossibleHere, case, need
from tests.trouble.handed.edge import run_with_old_names
from tests.trouble.node import RunningNode, site_of
from tests.trouble.parts import bundle, handed_folder, put_image

_starting_lock = threading.Lock()


def starting_bundle(bench: Bench) -> Path:
    """The shipped starting detector as a bundle, exported once."""
    path = bench.shared / "starting.onnx"
    with _starting_lock:
        if not path.exists():
            weights = ROOT / "cloud" / "starting_detector" / "weights.safetensors"
            subprocess.run(
                [sys.executable, "-m", "cloud.detector.bundle_export", str(weights), str(path)], cwd=ROOT,
                env=environment(bench.shared), capture_output=True, check=True, timeout=180,
            )  # fmt: skip
    return path


@case("A", "a recorder's folder with a image that claims a gigapixel: named, passed over, the camera lives",
      handed="case13_picture_that_claims_a_gigapixel.py")  # fmt: skip
def _handed_13_gigapixel_in_a_recorders_folder(bench: Bench) -> None:
    folder = bench.folder / "recorder"
    bench.handed("case13_picture_that_claims_a_gigapixel.py", folder)
    node = RunningNode(bench, [{"name": "yard", "source": str(folder), "segments": True}])
    node.lives("yard", frames=2)
    put_image(folder / "cam_0004.jpg", seed=4)
    node.lives("yard", frames=3, timeout_s=20)
    node.wait_for(r"cam_0002\.png", 40)
    node.stop()
    again = RunningNode(bench, [{"name": "yard", "source": str(folder), "segments": True}])
    put_image(folder / "cam_0005.jpg", seed=5)
    again.lives("yard", frames=1)
    again.stop()


@case("A", "a folder with a image that claims a gigapixel: replay shows the two good ones and counts it",
      handed="case13_picture_that_claims_a_gigapixel.py")  # fmt: skip
def _handed_13_gigapixel_in_a_replay(bench: Bench) -> None:
    folder = bench.folder / "images"
    bench.handed("case13_picture_that_claims_a_gigapixel.py", folder)
    bench.run("blindspot-edge", "replay", folder, "--bundle", bundle(bench), prints=["frames: 2"])


@case("A", "a folder for backgrounds with a image that claims a gigapixel is refused naming it",
      handed="case13_picture_that_claims_a_gigapixel.py")  # fmt: skip
def _handed_13_gigapixel_as_background(bench: Bench) -> None:
    folder = bench.folder / "images"
    bench.handed("case13_picture_that_claims_a_gigapixel.py", folder)
    bench.refuses("blindspot", "data", "add", folder, "--role", "background", "--data", bench.folder / "data",
                  prints=(r"cam_0002\.png",))  # fmt: skip


@case("K", "half a image and a growing video are taken when they are whole: 1 and 30 frames",
      handed="case19_segment_still_being_written.py")  # fmt: skip
def _handed_19_still_being_written(bench: Bench) -> None:
    images, videos = bench.folder / "images", bench.folder / "videos"
    images.mkdir()
    videos.mkdir()
    cameras = [
        {"name": "images", "source": str(images), "segments": True, "speed": None},
        {"name": "videos", "source": str(videos), "segments": True, "speed": None},
    ]
    node = RunningNode(bench, cameras)
    node.wait(node.readyz, 30, "/readyz")
    bench.handed("case19_segment_still_being_written.py", images, videos)
    node.lives("images", frames=1)
    node.lives("videos", frames=30)
    time.sleep(6)
    frames = (node.frames("images"), node.frames("videos"))
    need(frames == (1, 30), f"1 image and 30 frames were seen as {frames}")
    node.stop()


def _right_half_bundle(path: Path) -> Path:
    """A detector of strong red in the right half only, so that the order of images shows in counts."""

    def change(model: onnx.ModelProto) -> None:
        graph = model.graph
        for tensor in graph.initializer:
            if tensor.name == "pick":
                pick = np.zeros((2, 3, 1, 1), np.float32)
                pick[0, :, 0, 0] = (8.0, -4.0, -4.0)
                tensor.CopyFrom(numpy_helper.from_array(pick, "pick"))
        half = np.tile(np.where(np.arange(GRID) < GRID // 2, 0.0, 1.0), GRID).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(half.reshape(1, 1, -1), "half"))
        for node in graph.node:
            if node.output[0] == "scores":
                node.output[0] = "all_scores"
        position = next(i for i, node in enumerate(graph.node) if node.output[0] == "all_scores")
        graph.node.insert(position + 1, helper.make_node("Mul", ["all_scores", "half"], ["raised"]))
        graph.node.insert(position + 2, helper.make_node("Clip", ["raised", "zero", "one"], ["scores"]))
        for name, value in (("zero", 0.0), ("one", 1.0)):
            graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, [], [value]))

    path.write_bytes(tiny_bundle(tiny_description(), change))
    return path


@case("M", "frame10 comes after frame9: a block that moves to the right is not in the right half early",
      handed="case16_unpadded_numbers.py")  # fmt: skip
def _handed_16_unpadded_numbers(bench: Bench) -> None:
    bench.handed("case16_unpadded_numbers.py", bench.folder / "images")
    detector = _right_half_bundle(bench.folder / "right.onnx")
    command = ("blindspot-edge", "replay", bench.folder / "images", "--bundle", detector, "--json")
    whole = bench.run(*command)
    need(not says(whole.text, [r'"frames": 12', r'"fire": [1-9]']), f"the block is not found: {whole.tail()}")
    early = bench.run(*command, "--frames", "5")
    need(says(early.text, ['"fire"']), f"the first five frames are already on the right: {early.tail()}")


@case("L", "a stream that changes its size reports a standing hazard as often as one of constant size",
      handed="case22_resolution_changes.py")  # fmt: skip
def _handed_22_resolution_changes(bench: Bench) -> None:
    detector = starting_bundle(bench)
    run_with_old_names(bench, "case22_resolution_changes.py", bench.folder / "in", detector)
    site = site_of(bench.folder / "site", detector.read_bytes())
    cameras = [{"name": name, "source": str(bench.folder / "in" / name)} for name in ("changes", "constant")]
    seen = {}
    for camera in cameras:
        node = RunningNode(bench, [camera], mirror=str(site / "mirror"), trust=str(site / "trust.json"),
                           data=str(bench.folder / camera["name"]))  # fmt: skip
        node.lives(camera["name"], frames=30, timeout_s=60)
        node.wait_for("ended after", 60)
        time.sleep(1)
        seen[camera["name"]] = node.reports("hazard")
        node.stop()
    need(seen["constant"] > 0, f"no hazard in the constant footage: {seen}")
    need(seen["changes"] == seen["constant"], f"hazard reports: {seen}")


def _rates(bench: Bench) -> Path:
    if shutil.which("ffmpeg") is None:
        raise NotPossibleHere("ffmpeg is not installed")
    return handed_folder(bench, "case25_video_rates.sh")


def frames_after(node: RunningNode, camera: str, first: int, seconds: float) -> int:
    """Frames of a paced video some seconds after its frame number `first`."""
    node.lives(camera, frames=first)
    begun, seen = time.monotonic(), node.frames(camera)
    time.sleep(max(0.0, seconds - (time.monotonic() - begun)))
    return node.frames(camera) - seen


@case("M", "a time-lapse of one frame in 20 s is not played in a third of a second",
      handed="case25_video_rates.sh case25_show_times.py")  # fmt: skip
def _handed_25_time_lapse(bench: Bench) -> None:
    source = str(_rates(bench) / "timelapse.mp4")
    node = RunningNode(bench, [{"name": "lapse", "source": source}])
    more = frames_after(node, "lapse", 1, 10)
    need(more <= 1, f"{more} further frames within 10 s; the video has one in 20 s")
    node.stop()


@case("M", "a video of variable rate is paced by its own times", handed="case25_video_rates.sh")
def _handed_25_variable_rate(bench: Bench) -> None:
    source = str(_rates(bench) / "variable.mp4")
    node = RunningNode(bench, [{"name": "video", "source": source}])
    more = frames_after(node, "video", 1, 3.5)
    need(5 <= more <= 16, f"{more} frames within 3.5 s; the video has one in 0.3 s there")
    node.stop()


@case("M", "a video of constant rate, a cut tail and a GIF are played", handed="case25_video_rates.sh")
def _handed_25_constant_rate(bench: Bench) -> None:
    folder = _rates(bench)
    for name, least in (("constant.mp4", 100), ("cut_tail.mp4", 10), ("anim.gif", 5)):
        result = bench.run("blindspot-edge", "replay", folder / name, "--bundle", bundle(bench))
        count = int(result.text.split("frames:")[1].split()[0]) if "frames:" in result.text else math.nan
        need(count >= least, f"{name}: {count} frames: {result.tail()}")


@case("M", "a video without its index and one without images are one sentence each",
      handed="case25_video_rates.sh")  # fmt: skip
def _handed_25_films_that_cannot_be_read(bench: Bench) -> None:
    folder = _rates(bench)
    for name in ("cut_moov.mp4", "audio_only.mp4"):
        bench.refuses("blindspot-edge", "replay", folder / name, "--bundle", bundle(bench),
                      prints=(name, "cannot be read|no frame|no video|cannot be decoded"))  # fmt: skip
