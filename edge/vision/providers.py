"""Which execution provider of ONNX Runtime a model should run on, and which one it was granted; pure.

A preference is a list of providers, the best first; an empty one is all that the installed runtime offers.
The list is also the limit: a model never runs on a provider that is not in it.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from edge.errors import BundleRefused
from messaging.releases import ExecutionProvider

RUNTIME_NAMES = {
    ExecutionProvider.TENSORRT: "TensorrtExecutionProvider",
    ExecutionProvider.CUDA: "CUDAExecutionProvider",
    ExecutionProvider.OPENVINO: "OpenVINOExecutionProvider",
    ExecutionProvider.COREML: "CoreMLExecutionProvider",
    ExecutionProvider.CPU: "CPUExecutionProvider",
}
"""The names that ONNX Runtime uses."""
# TensorRT is only used when it is named: it compiles for minutes before the first frame.
_BY_THEMSELVES = (
    ExecutionProvider.CUDA,
    ExecutionProvider.OPENVINO,
    ExecutionProvider.COREML,
    ExecutionProvider.CPU,
)
Preference = tuple[ExecutionProvider, ...]


@dataclass(frozen=True)
class GrantedProvider:
    """The provider that a model runs on, and the first of its preference."""

    provider: ExecutionProvider
    wanted: ExecutionProvider

    @property
    def fallback(self) -> bool:
        """Whether it runs on another provider than the first of its preference."""
        return self.provider != self.wanted

    def __str__(self) -> str:
        return f"{self.provider} instead of {self.wanted}" if self.fallback else str(self.provider)


def preference_of(wanted: Sequence[ExecutionProvider], available: Collection[str]) -> Preference:
    """The preference in effect: as configured, or what the runtime offers, the best first."""
    return tuple(wanted) or tuple(p for p in _BY_THEMSELVES if RUNTIME_NAMES[p] in available)


def runtime_providers(
    preference: Preference, available: Collection[str], threads: int
) -> list[tuple[str, dict[str, Any]]]:
    """What a session is opened with: names and options of the preferred providers that the runtime has.

    Raises:
        BundleRefused: the runtime has none of them.
    """
    found = [(RUNTIME_NAMES[p], _options(p, threads)) for p in preference if RUNTIME_NAMES[p] in available]
    if not found:
        raise BundleRefused(f"{_none_of(preference)}; this runtime has {', '.join(_known(available))}")
    return found


def granted_of(preference: Preference, in_session: Sequence[str]) -> GrantedProvider:
    """The provider of an opened session, whose providers are given in the order of their use.

    Raises:
        BundleRefused: it is not in the preference; the runtime itself adds the CPU at the end.
    """
    for provider in preference:
        if RUNTIME_NAMES[provider] == in_session[0]:
            return GrantedProvider(provider, preference[0])
    raise BundleRefused(
        f"{_none_of(preference)}: their driver or device was not found; correct `providers`, or add cpu to it"
    )


def _options(provider: ExecutionProvider, threads: int) -> dict[str, Any]:
    if provider == ExecutionProvider.OPENVINO:
        return {"load_config": json.dumps({"CPU": {"INFERENCE_NUM_THREADS": threads}})}
    return {}


def _none_of(preference: Preference) -> str:
    return f"none of the execution providers {', '.join(preference)} can be used"


def _known(available: Collection[str]) -> list[str]:
    return [provider for provider, name in RUNTIME_NAMES.items() if name in available]
