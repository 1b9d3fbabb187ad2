"""Input that is nearly right: samples with bytes changed, lost, repeated or nested (for hypothesis)."""

import json
from collections.abc import Sequence

from hypothesis import strategies as st

DEEP = 100_000  # brackets, which an unbounded recursive reader does not survive
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_ODD_YAML = (
    "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
    "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
    "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e, *e]\n",
    "a: &a\n  b: *a\n",
    "a: " + "[" * 1_200,
    "a: " + "{b: " * 600,
    "a: 1\na: 2\n",
    "? [1, 2]\n: x\n",
    "? {a: b}\n: x\n",
    "a: !!python/object/apply:os.system [ls]\n",
    "a: 2001-99-99\n",
    "a: 0x\nb: 1__0\nc: .inf\nd: 190:20:30\n",
    "a: !!binary x\n",
    "a: !!timestamp x\n",
    "<<: [1, 2]\n",
    "<<: 7\n",
    "--- a\n--- b\n",
    "%YAML 9.9\n---\na\n",
    "\x85\u2028a: \t- b",
)
_lines = st.lists(
    st.sampled_from(
        ("site", "cameras", "- name", "  source", "broker", "  url", "api", "  port", "x" * 300)
    ).flatmap(lambda key: json_values.map(lambda value: f"{key}: {json.dumps(value)}"))
    | st.sampled_from(("- a", "  - b: c", "&a b", "*a", "| x", "\t- y", "'", '"', "# c", "!!set {a}", "? a")),
    max_size=8,
).map("\n".join)
yaml_documents = st.sampled_from(_ODD_YAML) | _lines | st.text(max_size=60)


@st.composite
def mangled(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    """A sample after a few changes; or any bytes, or the beginning of a deep nesting."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.binary(max_size=200))
    if kind == 1:
        return draw(st.sampled_from((b"[", b'{"a":', b"(", b"\x0a\x7f"))) * draw(
            st.sampled_from((50, 1000, DEEP))
        )
    if kind == 2:
        return json.dumps(draw(json_values)).encode()
    data = bytearray(draw(st.sampled_from(tuple(samples))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        until = min(len(data), at + draw(st.sampled_from((0, 1, 1, 2, 8, 100))))
        new = draw(st.sampled_from((b"", bytes(data[at:until]) * 2)) | st.binary(min_size=1, max_size=4))
        data[at:until] = new
    return bytes(data)
