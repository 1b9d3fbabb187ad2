"""Downloaded binary files: placeholders are recognised, and a cut or foreign file is one sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from messaging.errors import FileFault
from messaging.runtime.binary_files import (
    placeholder_of,
    read_safetensors_header,
    refuse_placeholder,
)

WHOLE = save({"a": np.ones((2, 3), np.float16), "b": np.zeros(4, np.float32)}, {"card": "x"})
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 3438167534\n"


def _with_header(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def test_the_header_of_a_whole_file_names_every_tensor_and_the_metadata(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(WHOLE)
    header = read_safetensors_header(tmp_path / "w.safetensors")
    assert {name: (t.dtype, t.shape) for name, t in header.tensors.items()} == {
        "a": ("F16", (2, 3)),
        "b": ("F32", (4,)),
    }
    assert header.metadata == {"card": "x"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"is empty \(0 bytes\); download it again"),
        (b"\0" * 4096, "only zero bytes"),
        (POINTER, "Git-LFS pointer"),
        (b"\xef\xbb\xbf<!DOCTYPE html><html>", "web page"),
        (WHOLE[:-1], "is cut: 1 of its 28 bytes"),
        (WHOLE[:20], "is cut: it ends inside its header"),
        (WHOLE[:5], "not a safetensors file"),
        (WHOLE + b"\0", "1 bytes follow its last tensor"),
        (b"PK\x03\x04" + b"x" * 100, "not a safetensors file"),
        (b"\x80\x04pickle.............", "not a safetensors file"),
        (_with_header([1]), "not a safetensors file"),
        (_with_header({"a": 3}), "its header cannot be read"),
        (_with_header({"a": {"dtype": "Q9", "shape": [1], "data_offsets": [0, 1]}}), "header cannot be read"),
        (_with_header({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}, b"1234"), "its shape"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_a_file_that_is_no_whole_safetensors_file_is_one_sentence_with_its_path(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "w [x].safetensors"
    path.write_bytes(content)
    with pytest.raises(FileFault, match=sentence) as refused:
        read_safetensors_header(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    for read in (refuse_placeholder, read_safetensors_header):
        with pytest.raises(FileFault, match="cannot be read"):
            read(tmp_path)
        with pytest.raises(FileFault, match=r"cannot be read \(No such file"):
            read(tmp_path / "gone")


def test_ordinary_content_is_no_placeholder() -> None:
    assert placeholder_of(WHOLE[:512]) is None
    assert placeholder_of(b"\x08\x09") is None
