"""YAML documents whose meaning is not clear are refused before their values are made.

YAML libraries keep the last of two equal keys and expand aliases without limit; both lose or cost something
in silence. Works on composed nodes, which have the lines.
"""

import yaml

from messaging.errors import ConfigurationError

MAX_DEPTH = 50
MAX_NODES = 100_000
UNTRANSLATED = (RecursionError, ValueError, AttributeError, TypeError, KeyError)
"""What PyYAML raises beside its own errors: for deep nesting, for tags that do not fit (`!!timestamp x`)."""


def refuse_unclear_yaml(tree: yaml.Node, origin: str) -> None:
    """Raise `ConfigurationError` for repeated keys, deep nesting and aliases without end."""
    sizes: dict[int, int] = {}
    _measure(tree, origin, sizes, open_nodes=set())
    if sizes[id(tree)] > MAX_NODES:
        raise ConfigurationError(
            f"{origin}: its aliases expand to more than {MAX_NODES} values; write the values out"
        )


def _measure(node: yaml.Node, origin: str, sizes: dict[int, int], *, open_nodes: set[int]) -> None:
    """Enter the number of values below a node, aliases expanded, into `sizes`; each node is visited once."""
    if id(node) in sizes:
        return
    line = node.start_mark.line + 1
    if id(node) in open_nodes:
        raise ConfigurationError(f"{origin} line {line}: an alias inside its own anchor; write the value out")
    if len(open_nodes) >= MAX_DEPTH:
        raise ConfigurationError(f"{origin} line {line}: nested deeper than {MAX_DEPTH} levels")
    inner: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        _refuse_repeated_keys(node, origin)
        inner = [one for pair in node.value for one in pair]
    elif isinstance(node, yaml.SequenceNode):
        inner = list(node.value)
    open_nodes.add(id(node))
    for one in inner:
        _measure(one, origin, sizes, open_nodes=open_nodes)
    open_nodes.discard(id(node))
    sizes[id(node)] = 1 + sum(sizes[id(one)] for one in inner)


def _refuse_repeated_keys(node: yaml.MappingNode, origin: str) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in lines:
            raise ConfigurationError(
                f"{origin} lines {lines[name]} and {line}: key {name!r} is there twice; join them or "
                "remove one"
            )
        lines[name] = line
