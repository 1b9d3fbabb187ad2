"""Own examples of cameras: hostile and half files, sizes, times, full disks, foreign things in folders."""

import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from tests.trouble.bench import Bench, says
from tests.trouble.case import Case, add, case, need
from tests.trouble.handed.footage import frames_after
from tests.trouble.node import RunningNode, node_document, write_yaml
from tests.trouble.parts import bundle, encoded, ffmpeg, huge_jpeg, put_image, street

RECORDER = {"segments": True}


def write_video(
    path: Path, frames: int = 20, *, fps: float = 10.0, width: int = 320, height: int = 192
) -> Path:
    """A video of a moving block, written aside and renamed."""
    aside = path.with_name(f".{path.name}")
    writer = cv2.VideoWriter(str(aside) + ".avi", cv2.VideoWriter.fourcc(*"MJPG"), fps, (width, height))
    for number in range(frames):
        image = street(width, height, seed=12, box=False)
        cv2.rectangle(image, (8 * number, height // 2), (8 * number + 40, height // 2 + 40), (0, 0, 200), -1)
        writer.write(image)
    writer.release()
    Path(str(aside) + ".avi").rename(path)
    return path


# A: one bad item between good ones
def _bad_item(bench: Bench, name: str, make: Callable[[Path], object]) -> None:
    folder = bench.folder / "recorder"
    put_image(folder / "cam_0001.jpg")
    make(folder / name)
    put_image(folder / "cam_0003.jpg", seed=3)
    node = RunningNode(bench, [{"name": "yard", "source": str(folder), **RECORDER}])
    node.lives("yard", frames=2)
    put_image(folder / "cam_0004.jpg", seed=4)
    node.lives("yard", frames=3, timeout_s=20)
    node.wait_for(name, 40)
    node.stop()


def _half(path: Path) -> None:
    data = encoded(street(seed=8))
    path.write_bytes(data[: len(data) // 2])
    os.utime(path, (time.time() - 600, time.time() - 600))


BAD: dict[str, tuple[str, Callable[[Path], object]]] = {
    "of-zero-bytes": ("cam_0002.jpg", lambda path: path.write_bytes(b"")),
    "that-is-text": ("cam_0002.jpg", lambda path: path.write_text("<html>camera is offline</html>")),
    "that-claims-four-gigapixels": ("cam_0002.jpg", lambda path: path.write_bytes(huge_jpeg())),
    "that-stays-half": ("cam_0002.jpg", _half),
    "that-is-a-pipe": ("cam_0002.jpg", os.mkfifo),
    "that-is-a-video-of-text": ("cam_0002.mp4", lambda path: path.write_text("not a video")),
    "that-is-an-empty-video": ("cam_0002.avi", lambda path: path.write_bytes(b"RIFF\0\0\0\0AVI ")),
}
for _what, (_name, _make) in BAD.items():
    add(
        Case(
            f"A-item-{_what}",
            "A",
            "a bad item in a recorder's folder is named and passed over; the camera lives",
            partial(_bad_item, name=_name, make=_make),
        )
    )


@case("A", "a link to nothing and a folder among the images do not end the camera")
def _links_and_folders_among_images(bench: Bench) -> None:
    folder = bench.folder / "recorder"
    put_image(folder / "cam_0001.jpg")
    os.symlink(bench.folder / "nothing.jpg", folder / "cam_0002.jpg")
    (folder / "cam_0003.jpg").mkdir()
    put_image(folder / "cam_0004.jpg", seed=4)
    node = RunningNode(bench, [{"name": "yard", "source": str(folder), **RECORDER}])
    node.lives("yard", frames=2)
    node.stop()


@case("A", "a recorder's folder that goes away and comes back: the camera continues")
def _folder_that_goes_and_comes_back(bench: Bench) -> None:
    folder = bench.folder / "recorder"
    put_image(folder / "cam_0001.jpg")
    node = RunningNode(bench, [{"name": "yard", "source": str(folder), **RECORDER}])
    node.lives("yard", frames=1)
    shutil.rmtree(folder)
    time.sleep(3)
    put_image(folder / "cam_0002.jpg", seed=2)
    node.lives("yard", frames=2, timeout_s=40)
    node.stop()


@case("A", "a played-journal that is damaged does not end the camera, or the node names it")
def _damaged_journal(bench: Bench) -> None:
    folder = bench.folder / "recorder"
    put_image(folder / "cam_0001.jpg")
    journal = bench.folder / "node" / "segments" / "yard.txt"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(b"\xff\xfe\0\x80 no text \xff")
    node = RunningNode(bench, [{"name": "yard", "source": str(folder), **RECORDER}])
    code = node.program.ended(3)
    if code is not None:
        need(code == 1 and not says(node.program.text, [r"yard"]), f"no sentence: {node.program.tail()}")
        return
    node.lives("yard", frames=1)
    node.stop()


@case("B", "a camera whose file is missing: the other one gives frames, and readiness names the missing one")
def _missing_camera_beside_a_good_one(bench: Bench) -> None:
    put_image(bench.folder / "images" / "cam_0001.jpg")
    cameras = [
        {"name": "gone", "source": str(bench.folder / "gone.mp4")},
        {"name": "good", "source": str(bench.folder / "images"), "loop": True},
    ]
    node = RunningNode(bench, cameras)
    node.lives("good", frames=5)
    need(not says(node.readyz(), ["gone"]), f"readiness is silent: {node.readyz()}")
    need(not says(node.program.text, [r"gone\.mp4"]), f"the file is not named: {node.program.tail()}")
    node.stop()


# K: half files
@case("K", "a image that arrives in five pieces is one frame, and not half of it")
def _picture_in_five_pieces(bench: Bench) -> None:
    folder = bench.folder / "recorder"
    put_image(folder / "cam_0001.jpg")
    node = RunningNode(bench, [{"name": "yard", "source": str(folder), **RECORDER, "speed": None}])
    node.lives("yard", frames=1)
    data = encoded(street(seed=7), ".png")
    with (folder / "cam_0002.png").open("wb") as file:
        for part in range(5):
            file.write(data[part * len(data) // 5 : (part + 1) * len(data) // 5])
            file.flush()
            time.sleep(0.8)
    node.lives("yard", frames=2, timeout_s=30)
    time.sleep(4)
    need(node.frames("yard") == 2, f"2 images were seen as {node.frames('yard')} frames")
    need("cam_0002.png" not in node.program.text, f"it was judged while it grew: {node.program.tail()}")
    node.stop()


@case("K", "an MP4 whose index comes last is taken when it is whole, with all its frames")
def _mp4_that_is_copied_slowly(bench: Bench) -> None:
    ffmpeg(
        bench, "-f", "lavfi", "-i", "testsrc2=size=320x192:rate=10:duration=3", "-pix_fmt", "yuv420p", "a.mp4"
    )
    data, folder = (bench.folder / "a.mp4").read_bytes(), bench.folder / "recorder"
    folder.mkdir()
    node = RunningNode(bench, [{"name": "yard", "source": str(folder), **RECORDER, "speed": None}])
    node.wait(node.readyz, 30, "/readyz")
    with (folder / "clip_0001.mp4").open("wb") as file:
        for part in range(4):
            file.write(data[part * len(data) // 4 : (part + 1) * len(data) // 4])
            file.flush()
            time.sleep(1.2)
    node.lives("yard", frames=30, timeout_s=30)
    time.sleep(4)
    need(node.frames("yard") == 30, f"30 frames were seen as {node.frames('yard')}")
    node.stop()


@case("K", "a file that a recorder writes under a temporary name is not a segment")
def _temporary_names_are_not_segments(bench: Bench) -> None:
    folder = bench.folder / "recorder"
    put_image(folder / "cam_0001.jpg")
    (folder / "cam_0002.jpg.part").write_bytes(encoded(street(seed=2))[:500])
    (folder / ".cam_0003.jpg.x7Kq").write_bytes(encoded(street(seed=2))[:500])
    node = RunningNode(bench, [{"name": "yard", "source": str(folder), **RECORDER}])
    node.lives("yard", frames=1)
    time.sleep(3)
    need("cam_0002" not in node.program.text, f"a temporary name was opened: {node.program.tail()}")
    (folder / "cam_0002.jpg.part").write_bytes(encoded(street(seed=2)))
    (folder / "cam_0002.jpg.part").rename(folder / "cam_0002.jpg")
    node.lives("yard", frames=2, timeout_s=20)
    node.stop()


# L: size changes
def _standing_block(folder: Path, sizes: list[tuple[int, int]]) -> Path:
    """Images of one red block that stands at the same place of the frame, whatever its size."""
    folder.mkdir(parents=True)
    for number, (width, height) in enumerate(sizes):
        image = np.full((height, width, 3), 70, np.uint8)
        image[height // 4 : height // 2, width // 4 : width // 2] = (30, 30, 250)
        cv2.imwrite(str(folder / f"cam_{number:04d}.png"), image)
    return folder


def _reports(bench: Bench, name: str, sizes: list[tuple[int, int]]) -> int:
    folder = _standing_block(bench.folder / name, sizes)
    camera = {"name": "yard", "source": str(folder)}
    node = RunningNode(bench, [camera], data=str(bench.folder / f"node-{name}"))
    node.lives("yard", frames=len(sizes) - 8)
    node.wait_for("ended after", 60)
    time.sleep(1)
    count = node.reports("hazard")
    node.stop()
    return count


def _size(bench: Bench, sizes: list[tuple[int, int]]) -> None:
    constant = _reports(bench, "constant", [(320, 320)] * len(sizes))
    changes = _reports(bench, "changes", sizes)
    need(constant > 0, "the standing block is no hazard")
    need(constant == changes, f"hazard reports: constant size {constant}, size changes {changes}")


for _what, _sizes in {
    "to-a-larger-one": [(320, 320)] * 20 + [(640, 640)] * 20,
    "there-and-back": [(640, 640)] * 14 + [(320, 320)] * 14 + [(640, 640)] * 14,
}.items():
    add(
        Case(
            f"L-size-that-changes-{_what}",
            "L",
            "a standing hazard is reported as often as in footage of constant size",
            partial(_size, sizes=_sizes),
        )
    )


@case("L", "a image of one pixel's height among others does not end the camera")
def _strip_among_images(bench: Bench) -> None:
    folder = bench.folder / "recorder"
    put_image(folder / "cam_0001.jpg")
    cv2.imwrite(str(folder / "cam_0002.png"), np.full((1, 2000, 3), 90, np.uint8))
    cv2.imwrite(str(folder / "cam_0003.png"), np.full((1, 1, 3), 90, np.uint8))
    put_image(folder / "cam_0004.jpg", seed=4)
    node = RunningNode(bench, [{"name": "yard", "source": str(folder), **RECORDER}])
    node.lives("yard", frames=2)
    put_image(folder / "cam_0005.jpg", seed=5)
    node.lives("yard", frames=3, timeout_s=20)
    node.stop()


# M: times
@case("M", "a video of two frames a second is paced by its own rate")
def _slow_video(bench: Bench) -> None:
    source = write_video(bench.folder / "slow.avi", 30, fps=2.0)
    node = RunningNode(bench, [{"name": "video", "source": str(source)}])
    more = frames_after(node, "video", 1, 5)
    need(7 <= more <= 14, f"{more} frames within 5 s of a video with two a second")
    node.stop()


@case("M", "a transport stream whose times begin late is paced from its first frame")
def _stream_that_begins_late(bench: Bench) -> None:
    ffmpeg(bench, "-f", "lavfi", "-i", "testsrc2=size=320x192:rate=5:duration=8", "-output_ts_offset", "3600",
           "-pix_fmt", "yuv420p", "late.ts")  # fmt: skip
    node = RunningNode(bench, [{"name": "video", "source": str(bench.folder / "late.ts")}])
    more = frames_after(node, "video", 1, 4)
    need(12 <= more <= 28, f"{more} frames within 4 s of a video with five a second")
    node.stop()


@case("M", "a Matroska video with a pause of 6 s keeps the pause")
def _film_with_a_pause(bench: Bench) -> None:
    ffmpeg(bench, "-f", "lavfi", "-i", "testsrc2=size=320x192:rate=10:duration=12", "-vf",
           "select='lt(t,2)+gt(t,8)'", "-fps_mode", "vfr", "-pix_fmt", "yuv420p", "pause.mkv")  # fmt: skip
    node = RunningNode(bench, [{"name": "video", "source": str(bench.folder / "pause.mkv")}])
    node.lives("video", frames=1)
    more = frames_after(node, "video", 2, 5)
    need(more <= 24, f"{more} frames within 5 s; the video has 20 and then a pause")
    node.lives("video", frames=40, timeout_s=30)
    node.stop()


# N: deep pixels
@case("N", "a 16-bit image of a camera is stretched with a note in the log, or passed over and named")
def _thermal_camera(bench: Bench) -> None:
    folder = bench.folder / "recorder"
    put_image(folder / "cam_0001.jpg")
    deep = (7000 + np.random.default_rng(1).integers(0, 2000, (192, 320))).astype(np.uint16)
    cv2.imwrite(str(folder / "cam_0002.png"), deep)
    put_image(folder / "cam_0003.jpg", seed=3)
    node = RunningNode(bench, [{"name": "yard", "source": str(folder), **RECORDER}])
    node.lives("yard", frames=2)
    node.wait_for(r"16.?bit", 30)
    node.stop()


@case("T", "schemes are read without regard to case; a scheme that is not read is refused at validation")
def _schemes(bench: Bench) -> None:
    for source, fine in (
        ("RTSP://127.0.0.1:9/x", True), ("Http://127.0.0.1:9/x", True), ("srt://127.0.0.1:9", True),
        ("USB:0", True), ("ftp://127.0.0.1/x", False), ("rtspp://127.0.0.1/x", False), ("", False),
    ):  # fmt: skip
        file = write_yaml(bench.folder / "n.yaml", node_document(bench, [{"name": "a", "source": source}]))
        if fine:
            bench.run("blindspot-edge", "config", "validate", "-c", file)
        else:
            bench.refuses("blindspot-edge", "config", "validate", "-c", file, prints=("source", "rtsp"))


@case("A", "replay of a folder without a image that can be read is one sentence")
def _replay_of_nothing(bench: Bench) -> None:
    (bench.folder / "images").mkdir()
    (bench.folder / "images" / "a.jpg").write_bytes(b"no image")
    command = ("replay", bench.folder / "images", "--bundle", bundle(bench))
    bench.refuses("blindspot-edge", *command, prints=("images", "none|decode|read"))
