"""Trouble on the command line of a run: one sentence, exit code 1, nothing deleted, nothing lost."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import synth.run
import synth.run_arguments
from messaging.runtime.program import ExitCode
from synth.selection.labelled_set import LabelledSet
from tests.support.edge.tiny_bundles import tiny_bundle
from tests.support.synth.fakes import FakeGenerator
from tests.support.synth.orders import order
from tests.support.trouble.odd_images import encoded, street

ORDER = order(count=3).model_dump(mode="json")


@pytest.fixture(autouse=True)
def fake_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synth.run_arguments, "open_generator", lambda given, sampling: FakeGenerator())


def _order_file(folder: Path, **changes: Any) -> Path:
    path = folder / "order.json"
    path.write_text(json.dumps({**ORDER, **changes}))
    return path


def _sentence(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def test_an_order_is_carried_out_with_exit_code_0_and_a_byte_order_mark_is_no_trouble(tmp_path: Path) -> None:
    path = _order_file(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert synth.run.main([str(path), str(tmp_path / "out [x] ünï")]) == 0
    assert len(LabelledSet.open(tmp_path / "out [x] ünï").images) == 3


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "is empty; expected a JSON document"),
        (b"{", "line 1: not valid JSON"),
        (b"{}", "order: Field required (11 faults in all)"),
        (b"[1]", "should be an object"),
        (b"\0\0\0", "zero bytes"),
        (json.dumps(ORDER).encode("utf-16"), "UTF-16"),
        (json.dumps({**ORDER, "order": "gr\u00fcn"}, ensure_ascii=False).encode("cp1252"), "is not UTF-8"),
        ({"class_name": "landslide"}, "hazard class 'landslide' is unknown; this taxonomy has fire, smoke"),
        ({"count": "many"}, "count: Input should be a valid integer"),
        ({"count": 10**30}, "count: "),
        ({"patch_budget": 10**30}, "patch_budget: "),
        ({"count": 1e308}, "count: "),
        ({"seed": -1}, "seed: "),
        ({"image_width": 10**9}, "image_width: "),
        ({"geometry": [{"size": "medium", "region": "unknown", "weight": 1e308}]}, "geometry.0.weight: "),
        ({"geometry": [{"size": "vast", "region": "unknown", "weight": 1}]}, "geometry.0.size: "),
        (
            {"prototype": {"vector": [float("nan"), 1.0], "embedding_digest": "a" * 64}},
            "prototype.vector.0: ",
        ),
        (
            {"prototype": {"vector": [0.0, 1.0], "embedding_digest": "a" * 64, "cosine": 0.4}},
            "prototype.cosine: Input should be greater than or equal to 0.7",
        ),
        ({"budget": 3}, "budget: unknown key; "),
        ({"sead": 1}, "sead: unknown key; did you mean 'seed'?"),
        (json.dumps(ORDER).replace("{", '{"seed": 2, ', 1).encode(), "key 'seed' is there twice"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_an_order_that_cannot_be_used_is_one_sentence_and_leaves_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | dict[str, Any] | None, sentence: str
) -> None:
    path = _order_file(tmp_path, **content) if isinstance(content, dict) else tmp_path / "order.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    assert synth.run.main([str(path), str(tmp_path / "out")]) == 1
    said = _sentence(capsys)
    assert sentence in said
    assert str(path) in said or "order potholes" in said
    assert not (tmp_path / "out").exists()


def test_a_wrong_option_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        synth.run.main(["order.json", "out", "--no-such-option"])
    assert ended.value.code == 2


def test_an_output_folder_with_other_files_is_refused_and_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("three years of work")
    assert synth.run.main([str(_order_file(tmp_path)), str(tmp_path / "out")]) == 1
    assert "files of something else (thesis.txt)" in _sentence(capsys)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_a_second_run_in_a_folder_is_one_sentence_and_the_first_ends_with_its_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(_order_file(tmp_path)), str(tmp_path / "out")]
    codes: list[int] = []

    def second(_: object) -> None:
        if not codes:
            codes.append(ExitCode.OK)  # so that the second run, if it were let in, starts no third
            before = _content(tmp_path / "out")
            codes[0] = synth.run.main(given)
            assert _content(tmp_path / "out") == before

    monkeypatch.setattr(synth.run, "_log_progress", second)
    assert synth.run.main(given) == 0
    assert codes == [ExitCode.FAILED]
    assert "another run is writing to" in _sentence(capsys)
    assert len(LabelledSet.open(tmp_path / "out").images) == 3
    assert synth.run.main(given) == 0, "the lock is free again, and the finished set is opened"


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
def test_a_disk_that_takes_no_file_is_one_sentence_and_the_run_continues_afterwards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    arguments = [str(_order_file(tmp_path)), str(tmp_path / "out")]
    calls = iter(range(1000))
    fsync = os.fsync

    def failing(descriptor: int) -> None:
        if next(calls) == 9:
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr("messaging.runtime.atomic_files.os.fsync", failing)
        expected = ExitCode.DISK_FULL if number in (errno.ENOSPC, errno.EDQUOT) else ExitCode.FAILED
        assert synth.run.main(arguments) == expected
    said = _sentence(capsys)
    assert os.strerror(number) in said
    assert str(tmp_path / "out") in said
    assert synth.run.main(arguments) == 0
    assert synth.run.main([arguments[0], str(tmp_path / "other")]) == 0
    assert LabelledSet.open(tmp_path / "out").digest == LabelledSet.open(tmp_path / "other").digest


def test_backgrounds_that_cannot_be_used_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.png"):
        (tmp_path / "photos" / name).write_bytes(b"not an image")
    given = [str(_order_file(tmp_path)), str(tmp_path / "out"), "--backgrounds", str(tmp_path / "photos")]
    assert synth.run.main(given) == 1
    assert "none of the 2 images in" in _sentence(capsys)


def test_one_bad_background_does_not_end_a_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(3):
        image = street(640, 384, seed=number)
        (tmp_path / "photos" / f"{number}.png").write_bytes(encoded(image, ".png"))
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"not an image")
    path = _order_file(tmp_path, light="unknown", weather="unknown", patch_budget=30, count=2)
    given = [str(path), str(tmp_path / "out"), "--backgrounds", str(tmp_path / "photos")]
    assert synth.run.main(given) == 0
    assert "1 of 4 backgrounds" in caplog.text


@pytest.mark.parametrize("option", ["--detector", "--reference"])
@pytest.mark.parametrize(
    "content",
    [
        None, b"", b"<html></html>", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
        tiny_bundle()[:-90], bytes(500), b"\x80\x04pickle",
    ],
    ids=["absent", "empty", "page", "pointer", "cut", "zeros", "pickle"],
)  # fmt: skip
def test_a_damaged_bundle_is_one_sentence_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, content: bytes | None
) -> None:
    bundle = tmp_path / "model.onnx"
    if content is not None:
        bundle.write_bytes(content)
    given = [str(_order_file(tmp_path)), str(tmp_path / "out"), option, str(bundle)]
    assert synth.run.main(given) == 1
    assert str(bundle) in _sentence(capsys)


LOST = [
    "facts.json",
    "manifest.json",
    "run.json",
    "classes.json",
    "index.csv",
    "images/*.jpg",
    "labels/*.txt",
    "facts.json",
]


@pytest.mark.parametrize("pattern", LOST)
@pytest.mark.parametrize("content", [b"", bytes(64), None], ids=["emptied", "zeroed", "removed"])
def test_a_finished_set_that_lost_a_file_is_made_again_and_is_the_same(
    tmp_path: Path, pattern: str, content: bytes | None
) -> None:
    given = [str(_order_file(tmp_path)), str(tmp_path / "out")]
    assert synth.run.main(given) == 0
    digest = LabelledSet.open(tmp_path / "out").digest
    lost = sorted((tmp_path / "out").glob(pattern))[0]
    lost.unlink() if content is None else lost.write_bytes(content)
    assert synth.run.main(given) == 0
    assert LabelledSet.open(tmp_path / "out").digest == digest


def test_a_changed_file_of_a_finished_set_is_one_sentence_whose_remedy_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(_order_file(tmp_path)), str(tmp_path / "out")]
    assert synth.run.main(given) == 0
    digest = LabelledSet.open(tmp_path / "out").digest
    label = sorted((tmp_path / "out" / "labels").iterdir())[0]
    label.write_text("0 0.5 0.5 0.1 0.1\n")
    assert synth.run.main(given) == 1
    assert f"{label} differs from" in _sentence(capsys)
    assert label.read_text() == "0 0.5 0.5 0.1 0.1\n"
    label.unlink()
    assert synth.run.main(given) == 0
    assert LabelledSet.open(tmp_path / "out").digest == digest


KILLED_RUN = """
import os, sys, synth.run
from tests.support.synth.fakes import FakeGenerator
synth.run_arguments.open_generator = lambda given, sampling: FakeGenerator()
synth.run.GROUP_SCENES = 1
if sys.argv[1] != "0":
    left = [int(sys.argv[1])]
    def end(progress):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), int(sys.argv[2]))
    synth.run._log_progress = end
sys.exit(synth.run.main(sys.argv[3:]))
"""


def _run_killed(groups: int, number: int, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", KILLED_RUN, str(groups), str(number), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("damage", ["none", "entry emptied", "entry cut", "image emptied", "label removed"])
def test_a_killed_run_continues_also_when_its_last_files_were_emptied(tmp_path: Path, damage: str) -> None:
    given = [str(_order_file(tmp_path, count=6)), str(tmp_path / "torn")]
    assert _run_killed(2, signal.SIGKILL, given).returncode == -signal.SIGKILL
    entry = sorted((tmp_path / "torn" / "journal").iterdir())[-1]
    image, label = (sorted((tmp_path / "torn" / name).iterdir())[-1] for name in ("images", "labels"))
    if damage == "entry emptied":
        entry.write_bytes(b"")
    elif damage == "entry cut":
        entry.write_bytes(entry.read_bytes()[:50])
    elif damage == "image emptied":
        image.write_bytes(b"")
    elif damage == "label removed":
        label.unlink()
    assert _run_killed(0, 0, given).returncode == 0
    assert _run_killed(0, 0, [given[0], str(tmp_path / "whole")]).returncode == 0
    assert LabelledSet.open(tmp_path / "torn").digest == LabelledSet.open(tmp_path / "whole").digest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_one_sentence_and_no_traceback(tmp_path: Path, number: int) -> None:
    given = [str(_order_file(tmp_path, count=6)), str(tmp_path / "out")]
    ended = _run_killed(1, number, given)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("error: ")
    assert "run it again with the same folder" in ended.stderr
