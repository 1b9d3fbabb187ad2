"""Own examples of the generator: damaged folders, identity, orders, output folders, judges."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.trouble.bench import Bench, says
from tests.trouble.case import Case, add, case, need
from tests.trouble.handed.synth import CHECKPOINT, ORDER, generator_digest, synthesise
from tests.trouble.parts import bundle, put_image, small_disk

WEIGHTS = "diffusion_pytorch_model.safetensors"


def _copy(bench: Bench, name: str = "generator") -> Path:
    return Path(shutil.copytree(CHECKPOINT, bench.folder / name))


def _damaged(bench: Bench, damage: Callable[[Path], object], prints: tuple[str, ...]) -> None:
    folder = _copy(bench)
    damage(folder)
    result = synthesise(bench, folder)
    need(result.code == 1, f"exit code {result.code}: {result.tail()}")
    need(not (missing := says(result.text, prints)), f"the sentence lacks {missing}: {result.tail()}")
    need(not (bench.folder / "out" / "manifest.json").exists(), "a set was written")


def _cut_header(path: Path) -> None:
    path.write_bytes((2**40).to_bytes(8, "little") + b"{}")


def _bin_beside(folder: Path) -> None:
    (folder / "unet" / WEIGHTS).rename(folder / "unet" / "diffusion_pytorch_model.bin")


for _kind, _name, _damage, _prints in (
    ("R", "vae-of-zero-bytes", lambda f: (f / "vae" / WEIGHTS).write_bytes(b""), ("vae",)),
    ("R", "vae-with-a-foreign-header", lambda f: _cut_header(f / "vae" / WEIGHTS), ("vae",)),
    ("R", "unet-configuration-is-a-list", lambda f: (f / "unet" / "config.json").write_text("[]"), ("unet",)),
    ("R", "scheduler-configuration-is-cut",
     lambda f: (f / "scheduler" / "scheduler_config.json").write_text('{"_cl'), ("scheduler",)),
    ("R", "tokenizer-is-missing", lambda f: shutil.rmtree(f / "tokenizer"), ("tokenizer",)),
    ("R", "index-of-a-foreign-pipeline",
     lambda f: (f / "model_index.json").write_text('{"_class_name": "OsExecutor"}'),
     (r"model_index|OsExecutor",)),
    ("E", "index-in-utf16",
     lambda f: (f / "model_index.json").write_bytes((f / "model_index.json").read_text().encode("utf-16")),
     (r"model_index\.json", "UTF")),
    ("S", "pickled-unet", _bin_beside, ("pickle|safetensors",)),
    ("S", "pickled-text-encoder",
     lambda f: (f / "text_encoder" / "model.safetensors").rename(f / "text_encoder" / "pytorch_model.bin"),
     ("pickle|safetensors",)),
):  # fmt: skip
    add(
        Case(
            f"{_kind}-generator-{_name}", _kind, f"one sentence with {_prints}, before anything is painted",
            partial(_damaged, damage=_damage, prints=_prints),
        )
    )  # fmt: skip


@case("S", "two generators that differ in one byte of one weight file have different digests")
def _digest_covers_the_weights(bench: Bench) -> None:
    digests = []
    for name, change in (("one", False), ("two", True)):
        folder = _copy(bench, name)
        path = folder / "vae" / WEIGHTS
        if change:
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(bytes(data))
        result = synthesise(bench, folder, f"out-{name}")
        need(result.code == 0, f"does not run: {result.tail()}")
        digests.append(generator_digest(bench, f"out-{name}"))
    need(digests[0] != digests[1], f"both have the digest {digests[0]}")


@case("P", "a generator's folder with an @ in its name is a folder, not a revision of the hub")
def _generator_folder_with_at(bench: Bench) -> None:
    result = synthesise(bench, _copy(bench, "small@v2"))
    need(result.code == 0, f"does not run: {result.tail()}")


# Orders and output
def _order(bench: Bench, content: bytes, prints: tuple[str, ...]) -> None:
    order = bench.folder / "order.json"
    order.write_bytes(content)
    bench.refuses("synth.run", order, bench.folder / "out", prints=(r"order\.json", *prints))


TEXT = json.dumps(ORDER)
for _kind, _name, _content, _prints in (
    ("E", "in-utf16", TEXT.encode("utf-16"), ("UTF-16", "UTF-8")),
    ("D", "that-is-cut", TEXT[:80].encode(), ("line|JSON",)),
    ("D", "of-zero-bytes", b"", ("empty|JSON",)),
    ("D", "with-a-foreign-class", TEXT.replace("pothole", "bicycle").encode(), ("bicycle",)),
    ("O", "with-a-key-twice", TEXT.replace('"seed": 1', '"seed": 1, "seed": 2').encode(), ("seed",)),
    ("O", "with-an-unknown-key", TEXT.replace('"seed"', '"sead"').encode(), ("sead",)),
):
    add(
        Case(f"{_kind}-order-{_name}", _kind, "one sentence with the file", partial(_order, content=_content,
             prints=_prints))
    )  # fmt: skip


@case("E", "an order with a byte-order mark is read")
def _order_with_a_mark(bench: Bench) -> None:
    order = bench.folder / "order.json"
    order.write_bytes(TEXT.encode("utf-8-sig"))
    bench.run("synth.run", order, bench.folder / "out", timeout_s=180)


def _output(bench: Bench, out: Path, prints: tuple[str, ...]) -> None:
    order = bench.folder / "order.json"
    order.write_text(TEXT)
    bench.refuses("synth.run", order, out, prints=prints)


@case("H", "a set is not written into a folder with foreign files")
def _set_into_a_foreign_folder(bench: Bench) -> None:
    out = bench.plant(bench.folder / "mine")
    before = sorted(out.rglob("*"))
    _output(bench, out, ("mine", "empty|another|foreign|not"))
    need(sorted(out.rglob("*")) == before, "files were added")


@case("F", "a set on a read-only volume, or where a file is: one sentence")
def _set_on_a_read_only_volume(bench: Bench) -> None:
    disk = small_disk(bench, 1, read_only=True)
    _output(bench, disk / "out", ("disk", "read-only"))
    (bench.folder / "file").write_text("a file")
    _output(bench, bench.folder / "file", ("file", "folder|director"))


@case("R", "a judge that is a cut bundle or a text is one sentence with its path")
def _judge_that_is_cut(bench: Bench) -> None:
    order = bench.folder / "order.json"
    order.write_text(TEXT)
    (bench.folder / "cut.onnx").write_bytes(bundle(bench).read_bytes()[:900])
    (bench.folder / "text.onnx").write_text("version https://git-lfs.github.com/spec/v1\n")
    for name in ("cut.onnx", "text.onnx", "none.onnx"):
        bench.refuses(
            "synth.run", order, bench.folder / "out", "--reference", bench.folder / name, prints=(name,)
        )


@case(
    "A",
    "backgrounds with a file that is no image: one sentence that names it, or it is passed over and named",
)
def _backgrounds_with_a_text(bench: Bench) -> None:
    order = bench.folder / "order.json"
    order.write_text(TEXT)
    put_image(bench.folder / "streets" / "cam_0001.jpg")
    (bench.folder / "streets" / "cam_0000.jpg").write_text("no image")
    result = bench.run("synth.run", order, bench.folder / "out", "--backgrounds", bench.folder / "streets",
                       code=None, timeout_s=180)  # fmt: skip
    need(result.code in (0, 1) and not says(result.text, [r"cam_0000\.jpg"]), f"not named: {result.tail()}")
