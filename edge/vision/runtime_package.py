"""Which package of ONNX Runtime is installed: its variants have one module name and exclude one another."""

from importlib.metadata import PackageNotFoundError, version

from edge.errors import EdgeError

VARIANTS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-directml",
    "onnxruntime-rocm",
    "onnxruntime-migraphx",
    "onnxruntime-qnn",
)


def runtime_package() -> str:
    """The installed variant and its version.

    Raises:
        EdgeError: there is none, or there are several, which overwrite one another's files.
    """
    found = [f"{name} {number}" for name in VARIANTS if (number := _version(name)) is not None]
    if len(found) > 1:
        raise EdgeError(
            f"{' and '.join(found)} are installed together and overwrite one another's files; uninstall "
            "all of them, then install one of the extras edge, edge-gpu and edge-openvino"
        )
    if not found:
        raise EdgeError("no package of ONNX Runtime is installed; install the extra edge")
    return found[0]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
