"""Every text is legible on every ground that it is shown on, in both themes (WCAG 2.2, contrast AA)."""

import re
from pathlib import Path

import pytest

from dashboards import theme
from dashboards.components.charts import legend
from dashboards.theme import DARK, LIGHT, Palette

AA = 4.5
PAIRS = [
    *((text, ground) for text in ("ink", "soft", "accent") for ground in ("card", "ground", "plain_ground")),
    *((tone, ground) for tone in ("good", "bad", "busy") for ground in ("card", f"{tone}_ground")),
]


def colour(palette: Palette, name: str) -> str:
    """A colour of a palette by the name that style sheets use, with `_` for `-`."""
    tone = name.removesuffix("_ground")
    return palette.grounds[tone] if tone != name else str(getattr(palette, name))


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours as `#rrggbb`, at least 1."""
    first, second = sorted(map(luminance, (one, other)))
    return (second + 0.05) / (first + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_has_enough_contrast(palette: Palette, text: str, ground: str) -> None:
    assert contrast(colour(palette, text), colour(palette, ground)) >= AA


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_arrows_of_a_legend_have_enough_contrast(palette: Palette) -> None:
    shown = legend(palette, bottom=0)
    colours = (
        *(shown["textStyle"]["color"], shown["pageTextStyle"]["color"]),
        *(shown["pageIconColor"], shown["pageIconInactiveColor"]),
    )
    assert [one for one in colours if contrast(one, palette.card) < AA] == []
    assert shown["pageIconColor"] != shown["pageIconInactiveColor"]
    assert shown["bottom"] == 0


def test_the_style_sheet_uses_only_colours_of_the_palette() -> None:
    sheet = (Path(theme.__file__).parent / "style.css").read_text()
    used = set(re.findall(r"var\(--([a-z-]+)\)", sheet)) - {"ag-header-font-size"}
    defined = set(re.findall(r"--([a-z-]+):", theme.style_properties()))
    assert used <= defined
