"""Generator folders as people have them: cut downloads, pointers, variants, models of another kind.

A folder is a copy of a whole pipeline folder, made of links, with one damage; the source is never written to.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 3438167534\n"
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n"
INDEX = "model_index.json"
UNET = "unet/diffusion_pytorch_model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"
PROJECTION = "prototype_projection.safetensors"

Damage = Callable[[Path], object]


def linked_copy(source: Path, target: Path) -> Path:
    """The same folder at another place, its files links to those of `source`."""
    for path in source.rglob("*"):
        if path.is_file():
            link = target / path.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.absolute())
    return target


def put(folder: Path, name: str, content: bytes | str) -> None:
    """Replace a file of a linked copy; the file that it linked to stays as it is."""
    path = folder / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def cut(folder: Path, name: str, length: int) -> None:
    """Keep the first bytes of a file."""
    put(folder, name, (folder / name).read_bytes()[:length])


def rename(folder: Path, name: str, new: str) -> None:
    """Rename a file inside its folder."""
    (folder / name).rename((folder / name).with_name(new))


def set_keys(folder: Path, name: str, **changes: Any) -> None:
    """Change keys of a JSON object; None as a value is written as null."""
    put(folder, name, json.dumps({**json.loads((folder / name).read_text()), **changes}))


def change_tensor(folder: Path, name: str, tensor: str, change: Callable[[Any], Any] | None) -> None:
    """Change one tensor of a safetensors file, or remove it."""
    tensors = load_file(folder / name)
    value = tensors.pop(tensor)
    if change is not None:
        tensors[tensor] = np.ascontiguousarray(change(value))
    (folder / name).unlink()
    save_file(tensors, folder / name)


def remove_folder(folder: Path, name: str) -> None:
    """Remove a part with its files."""
    for path in (folder / name).iterdir():
        path.unlink()
    (folder / name).rmdir()


def fp16_variant(folder: Path) -> None:
    """All weights of the parts under the names of the variant fp16."""
    for name in (UNET, VAE, TEXT):
        rename(folder, name, Path(name).name.replace(".safetensors", ".fp16.safetensors"))


def only_lora(folder: Path) -> None:
    """A folder that holds nothing but a LoRA."""
    names = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in names:
        path.unlink()
    for path in sorted((p for p in folder.iterdir() if p.is_dir()), reverse=True):
        path.rmdir()
    put(folder, "pytorch_lora_weights.safetensors", b"\x02\0\0\0\0\0\0\0{}")


def text_to_image(folder: Path) -> None:
    """A UNet with four input channels, as of a text-to-image model."""
    change_tensor(folder, UNET, "conv_in.weight", lambda value: value[:, :4])
    set_keys(folder, "unet/config.json", in_channels=4)


def pickles(folder: Path) -> None:
    """UNet and VAE as pickles; opening one of them leaves a file behind."""
    trap = b"cos\nmkdir\n(V" + str(folder / "OPENED").encode() + b"\ntR."
    for name in (UNET, VAE):
        (folder / name).unlink()
        put(folder, name.replace(".safetensors", ".bin"), trap)


def whole_file(folder: Path) -> None:
    """A folder with the weights of a part at its top, and no parts."""
    content = (folder / UNET).read_bytes()
    only_lora(folder)
    (folder / "pytorch_lora_weights.safetensors").unlink()
    put(folder, "sd-inpainting.safetensors", content)


def no_tokenizer_files(folder: Path) -> None:
    """A tokenizer folder without files."""
    for path in (folder / "tokenizer").iterdir():
        path.unlink()


def nothing(folder: Path) -> None:
    """An empty folder."""
    only_lora(folder)
    (folder / "pytorch_lora_weights.safetensors").unlink()


def link(folder: Path, name: str, target: str) -> None:
    """A link in place of a file."""
    (folder / name).unlink()
    (folder / name).symlink_to(target)


def folder_as_file(folder: Path) -> None:
    """A folder in place of the text encoder's weights."""
    (folder / TEXT).unlink()
    (folder / TEXT).mkdir()


def shards_of(folder: Path, shard: str) -> None:
    """An index of a UNet in several files in place of the UNet."""
    (folder / UNET).unlink()
    put(folder, f"{UNET}.index.json", json.dumps({"weight_map": {"conv_in.weight": shard}}))


@dataclass(frozen=True)
class Trouble:
    """One damage, and what the sentence about it must contain."""

    name: str
    damage: Damage
    sentence: str


DAMAGED: tuple[Trouble, ...] = (
    *(
        Trouble(
            f"git-lfs pointer as {name}", partial(put, name=name, content=POINTER), f"{name} .*git lfs pull"
        )
        for name in (
            UNET,
            VAE,
            TEXT,
            INDEX,
            "unet/config.json",
            "vae/config.json",
            "text_encoder/config.json",
            "tokenizer/vocab.json",
            "tokenizer/merges.txt",
            "tokenizer/tokenizer.json",
            "scheduler/scheduler_config.json",
            PROJECTION,
            "input_format.json",
        )
    ),
    Trouble("cut unet", lambda f: cut(f, UNET, 5_000_000), f"{UNET} is cut: .*download it again"),
    Trouble("cut by one byte", lambda f: cut(f, VAE, (f / VAE).stat().st_size - 1), f"{VAE} is cut: 1 of"),
    Trouble("cut in the header", lambda f: cut(f, TEXT, 900), f"{TEXT} is cut: .*header"),
    Trouble("longer than its header", lambda f: put(f, VAE, (f / VAE).read_bytes() + b"x"), "is damaged"),
    Trouble("empty weights", lambda f: put(f, TEXT, b""), rf"{TEXT} is empty"),
    Trouble("weights of zeros", lambda f: put(f, TEXT, bytes(9999)), rf"{TEXT} holds only zero bytes"),
    Trouble("a login page as weights", lambda f: put(f, UNET, PAGE), f"{UNET} is a web page"),
    Trouble(
        "a login page as configuration", lambda f: put(f, "vae/config.json", PAGE), "config.json is a web"
    ),
    Trouble("cut model index", lambda f: cut(f, INDEX, 80), f"{INDEX} line .*not valid JSON"),
    Trouble("empty model index", lambda f: put(f, INDEX, ""), f"{INDEX} is empty"),
    Trouble("model index in UTF-16", lambda f: put(f, INDEX, "{}".encode("utf-16")), "UTF-16"),
    Trouble("a list as model index", lambda f: put(f, INDEX, "[1]"), f"{INDEX} holds a JSON list"),
    Trouble("an index of nothing", lambda f: put(f, INDEX, "{}"), "needed is UNet2DConditionModel"),
    Trouble(
        "another pipeline",
        lambda f: put(f, INDEX, '{"_class_name": "FluxPipeline", "transformer": ["diffusers", "X"]}'),
        "is a FluxPipeline.*inpainting pipeline",
    ),
    Trouble(
        "Stable Diffusion XL",
        lambda f: set_keys(
            f,
            INDEX,
            _class_name="StableDiffusionXLInpaintPipeline",
            text_encoder_2=["transformers", "CLIPTextModelWithProjection"],
        ),
        "is a StableDiffusionXLInpaintPipeline, as of Stable Diffusion XL",
    ),
    Trouble("another sampling", lambda f: put(f, "sampling.json", '{"steps": -1}'), "steps is a number"),
    Trouble(
        "a part of a module of its own",
        lambda f: set_keys(f, INDEX, unet=["my_unet", "MyUNet"]),
        r'unet is \["my_unet", "MyUNet"\]',
    ),
    Trouble(
        "an unknown scheduler",
        lambda f: set_keys(f, INDEX, scheduler=["diffusers", "NoScheduler"]),
        "has no sch",
    ),
    Trouble("no unet", lambda f: remove_folder(f, "unet"), "has no folder unet"),
    Trouble("no tokenizer", lambda f: remove_folder(f, "tokenizer"), "has no folder tokenizer"),
    Trouble("no scheduler", lambda f: remove_folder(f, "scheduler"), "has no folder scheduler"),
    Trouble("no weights", lambda f: (f / VAE).unlink(), "vae has no diffusion_pytorch_model"),
    Trouble(
        "no configuration", lambda f: (f / "unet/config.json").unlink(), r"unet/config\.json cannot be read"
    ),
    Trouble(
        "an empty tokenizer",
        no_tokenizer_files,
        "neither tokenizer.json nor vocab.json",
    ),
    Trouble(
        "a text as tokenizer", lambda f: put(f, "tokenizer/tokenizer.json", "{}"), "tokenizer cannot be load"
    ),
    Trouble(
        "no tokenizer configuration",
        lambda f: (f / "tokenizer/tokenizer_config.json").unlink(),
        "tokenizer_config.json is absent",
    ),
    Trouble("weights under another name", lambda f: rename(f, UNET, "unet.safetensors"), "unet.safetensors"),
    Trouble("text to image", text_to_image, "4 input channels, as of a text-to-image model"),
    Trouble(
        "text to image called inpainting",
        lambda f: change_tensor(f, UNET, "conv_in.weight", lambda value: value[:, :4]),
        "unet cannot be loaded",
    ),
    Trouble(
        "weights of another part", lambda f: put(f, UNET, (f / VAE).read_bytes()), "unet .*another model"
    ),
    Trouble(
        "a text encoder of another width",
        lambda f: set_keys(f, "text_encoder/config.json", hidden_size=768),
        "cross_attention_dim of unet is 128",
    ),
    Trouble(
        "no side", lambda f: set_keys(f, "unet/config.json", sample_size=None), "sample_size of unet is None"
    ),
    Trouble(
        "a list as configuration", lambda f: put(f, "unet/config.json", "[]"), "config.json holds a JSON list"
    ),
    Trouble(
        "widths that are words",
        lambda f: set_keys(f, "unet/config.json", block_out_channels=["a", "b", "c"]),
        "unet cannot be loaded",
    ),
    Trouble(
        "an unknown block",
        lambda f: set_keys(f, "vae/config.json", down_block_types=["NoBlock"] * 3),
        "vae cannot be loaded",
    ),
    Trouble(
        "quantised",
        lambda f: set_keys(f, "unet/config.json", quantization_config={"load_in_8bit": True}),
        "unet is quantised",
    ),
    Trouble(
        "a tensor is absent",
        lambda f: change_tensor(f, UNET, "conv_out.weight", None),
        "lack 1 tensors .conv_out",
    ),
    Trouble(
        "a tensor of integers",
        lambda f: change_tensor(f, VAE, "encoder.conv_in.weight", lambda value: value.astype(np.int8)),
        "encoder.conv_in.weight as I8",
    ),
    Trouble(
        "a tensor that is not finite",
        lambda f: change_tensor(f, VAE, "encoder.conv_in.bias", lambda value: value * np.nan),
        "encoder.conv_in.bias of vae is not finite",
    ),
    Trouble(
        "a text encoder with a tensor of another shape",
        lambda f: change_tensor(f, TEXT, "final_layer_norm.bias", lambda value: value[:5]),
        "text_encoder cannot be loaded",
    ),
    Trouble("pickles", pickles, "only as a pickle .diffusion_pytorch_model.bin"),
    Trouble("a LoRA", only_lora, "holds a LoRA"),
    Trouble("one file at the top", whole_file, f"{INDEX} is absent"),
    Trouble(
        "an empty folder",
        nothing,
        "is empty",
    ),
    Trouble(
        "a projection of another model", lambda f: change_tensor(f, PROJECTION, "null", None), "holds tensors"
    ),
    Trouble("a cut projection", lambda f: cut(f, PROJECTION, 400), "projection.safetensors is cut"),
    Trouble(
        "another input format",
        lambda f: put(f, "input_format.json", '{"exposure": 3}'),
        "exposure is as taken",
    ),
    Trouble(
        "a prototype space that is no digest",
        lambda f: put(f, "prototype_space.json", '{"embedding_digest": "8487858b"}'),
        "prototype_space.json: embedding_digest is 64 hexadecimal digits; got '8487858b'",
    ),
    Trouble("a list as input format", lambda f: put(f, "input_format.json", "[]"), "may have the keys"),
    Trouble("a link to nothing", lambda f: link(f, UNET, "gone"), "cannot be read"),
    Trouble(
        "a link to itself",
        lambda f: link(f, INDEX, INDEX),
        "cannot be read|is absent",
    ),
    Trouble("a folder as a file", folder_as_file, "cannot be read"),
    Trouble(
        "shards outside the folder",
        lambda f: shards_of(f, "../vae/x.safetensors"),
        "names no safetensors files of its own folder",
    ),
    Trouble(
        "a shard is absent",
        lambda f: shards_of(f, "diffusion-00001.safetensors"),
        "diffusion-00001.safetensors cannot be read",
    ),
)
