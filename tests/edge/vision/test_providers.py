"""Which execution providers a session is opened with, and what is made of those that it was granted."""

import pytest

from edge.errors import BundleRefused, EdgeError
from edge.vision import runtime_package as package_module
from edge.vision.providers import GrantedProvider, granted_of, preference_of, runtime_providers
from edge.vision.runtime_package import runtime_package
from messaging.releases import ExecutionProvider

TENSORRT, CUDA, OPENVINO, COREML, CPU = ExecutionProvider
GPU_RUNTIME = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
OPENVINO_RUNTIME = ("OpenVINOExecutionProvider", "CPUExecutionProvider")
CPU_RUNTIME = ("AzureExecutionProvider", "CPUExecutionProvider")


@pytest.mark.parametrize(
    ("available", "preference"),
    [
        pytest.param(GPU_RUNTIME, (CUDA, CPU), id="TensorRT only by name"),
        pytest.param(OPENVINO_RUNTIME, (OPENVINO, CPU), id="OpenVINO"),
        pytest.param(("CoreMLExecutionProvider", *CPU_RUNTIME), (COREML, CPU), id="CoreML"),
        pytest.param(CPU_RUNTIME, (CPU,), id="CPU"),
    ],
)
def test_without_a_preference_the_runtime_decides(
    available: tuple[str, ...], preference: tuple[ExecutionProvider, ...]
) -> None:
    assert preference_of((), available) == preference


def test_a_preference_is_kept_as_written() -> None:
    assert preference_of((CPU, CUDA), GPU_RUNTIME) == (CPU, CUDA)


def test_a_session_is_opened_with_what_the_runtime_has_in_the_order_of_the_preference() -> None:
    wanted = runtime_providers((TENSORRT, OPENVINO, CUDA, CPU), GPU_RUNTIME, 1)
    assert [name for name, _ in wanted] == list(GPU_RUNTIME)


def test_openvino_is_given_the_threads_of_the_node() -> None:
    ((_, options),) = runtime_providers((OPENVINO,), OPENVINO_RUNTIME, 3)
    assert options == {"load_config": '{"CPU": {"INFERENCE_NUM_THREADS": 3}}'}


def test_a_runtime_without_any_of_them_is_one_sentence() -> None:
    with pytest.raises(BundleRefused, match="cuda, tensorrt can be used; this runtime has cpu"):
        runtime_providers((CUDA, TENSORRT), CPU_RUNTIME, 1)


@pytest.mark.parametrize(
    ("preference", "in_session", "granted"),
    [
        pytest.param((CUDA, CPU), GPU_RUNTIME[1:], GrantedProvider(CUDA, CUDA), id="as preferred"),
        pytest.param(
            (TENSORRT, CUDA, CPU), GPU_RUNTIME[1:], GrantedProvider(CUDA, TENSORRT), id="the second"
        ),
        pytest.param((CUDA, CPU), GPU_RUNTIME[2:], GrantedProvider(CPU, CUDA), id="card without driver"),
    ],
)
def test_the_granted_provider_is_the_first_of_the_session(
    preference: tuple[ExecutionProvider, ...], in_session: tuple[str, ...], granted: GrantedProvider
) -> None:
    found = granted_of(preference, in_session)
    assert (found, found.fallback) == (granted, granted.provider != granted.wanted)


def test_the_processor_that_the_runtime_adds_by_itself_is_refused_unless_listed() -> None:
    with pytest.raises(
        BundleRefused, match="driver or device was not found; correct `providers`, or add cpu"
    ):
        granted_of((CUDA,), GPU_RUNTIME[2:])


def test_a_provider_and_a_fallback_have_their_texts() -> None:
    assert str(GrantedProvider(CUDA, CUDA)) == "cuda"
    assert str(GrantedProvider(CPU, CUDA)) == "cpu instead of cuda"


@pytest.mark.parametrize(
    ("installed", "sentence"),
    [
        (
            ("onnxruntime", "onnxruntime-gpu"),
            "onnxruntime 1.0 and onnxruntime-gpu 1.0 are installed together",
        ),
        ((), "no package of ONNX Runtime is installed"),
    ],
)
def test_several_packages_of_the_runtime_or_none_are_a_fault(
    monkeypatch: pytest.MonkeyPatch, installed: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.setattr(package_module, "_version", lambda name: "1.0" if name in installed else None)
    with pytest.raises(EdgeError, match=sentence):
        runtime_package()


def test_the_installed_package_is_named_with_its_version() -> None:
    assert runtime_package().startswith("onnxruntime")
