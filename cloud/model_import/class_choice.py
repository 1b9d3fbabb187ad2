"""Which outputs of an imported network become which hazard classes of the deployment.

An output whose name is a class of the deployment becomes that class; a map renames the others or drops them;
what is neither is left out. A class is one output of the network: two outputs cannot become one class.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloud.data.class_names import nearest_name
from cloud.data.faults import some
from cloud.detector.weights import Floats
from cloud.errors import WeightsRefused

_CLASS_OUTPUTS = re.compile(r"model\.\d+\.(one2one_)?cv3\.\d+\.2\.(weight|bias)")


@dataclass(frozen=True)
class ClassChoice:
    """The classes of the imported detector in the deployment's order, with the output of each.

    `left_out` names outputs that become no class.
    """

    class_names: tuple[str, ...]
    outputs: tuple[int, ...]
    left_out: tuple[str, ...]

    def applied_to(self, tensors: Mapping[str, Floats]) -> dict[str, Floats]:
        """The network's tensors with these outputs only, in this order; scores of an output do not change."""
        rows = list(self.outputs)
        return {
            name: value[rows].copy() if _CLASS_OUTPUTS.fullmatch(name) else value
            for name, value in tensors.items()
        }


def choose_classes(
    names: tuple[str, ...], class_map: Mapping[str, str | None], classes: Sequence[str], origin: str
) -> ClassChoice:
    """Map the names of a network's outputs to the deployment's classes. Raises `WeightsRefused`."""
    for source in class_map:
        if source not in names:
            raise WeightsRefused(
                f"{origin} has no class {source!r} to map{_hint(source, names)}; it has {some(names)}"
            )
    output_of: dict[str, int] = {}
    left_out = []
    for output, name in enumerate(names):
        target = class_map.get(name, name)
        if target is not None and target in output_of:
            raise WeightsRefused(
                f"{names[output_of[target]]!r} and {name!r} of {origin} both become {target!r}; a class is "
                f"one output of the network: map one of them, and the other with `{name}: null`"
            )
        if target is not None and target in classes:
            output_of[target] = output
        elif name in class_map and target is not None:
            raise WeightsRefused(
                f"{name!r} of {origin} is mapped to {target!r}, but this deployment has no such class"
                f"{_hint(target, classes)}; it has {', '.join(classes)}"
            )
        else:
            left_out.append(name)
    _refuse_nearly_equal(left_out, class_map, [c for c in classes if c not in output_of], origin)
    if not output_of:
        raise WeightsRefused(
            f"none of the classes of {origin} ({some(names)}) is a class of this deployment "
            f"({', '.join(classes)}); map them with --classes and lines `NAME: CLASS`"
        )
    chosen = tuple(name for name in classes if name in output_of)
    return ClassChoice(chosen, tuple(output_of[name] for name in chosen), tuple(left_out))


def _refuse_nearly_equal(
    left_out: Sequence[str], class_map: Mapping[str, str | None], missing: Sequence[str], origin: str
) -> None:
    """A name that is spelled nearly like a class is no reason to leave it out without being asked."""
    for name in left_out:
        near = None if name in class_map else nearest_name(name, missing)
        if near is not None:
            raise WeightsRefused(
                f"{origin} has the class {name!r}, which is nearly {near!r}; write `{name}: {near}` into "
                f"the file of --classes, or `{name}: null` to leave it out"
            )


def _hint(name: str, known: Sequence[str]) -> str:
    near = nearest_name(name, known)
    return f" (did you mean {near!r}?)" if near else ""
