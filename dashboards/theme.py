"""Colours of the pages, light and dark: one meaning a colour, text at contrast AA or better.

The style sheet uses the names as CSS custom properties; charts, whose library wants literal colours, use the
values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Palette:
    """Colours as `#rrggbb`. `grounds` are what is behind a label of the tone good, bad, busy or plain.

    `ink` is text, `soft` secondary text, `line` borders, `ground` what is behind cards, `accent` links and
    what is selected; `first` to `fourth` tell series of a chart apart, where no state is meant.
    """

    ink: str
    soft: str
    line: str
    ground: str
    card: str
    accent: str
    good: str
    bad: str
    busy: str
    first: str
    second: str
    third: str
    fourth: str
    grounds: Mapping[str, str]

    @property
    def series(self) -> tuple[str, str, str, str]:
        """The colours of a chart's series, in their order."""
        return self.first, self.second, self.third, self.fourth


LIGHT = Palette(
    ink="#16212b",
    soft="#55646f",
    line="#dfe5ea",
    ground="#f3f5f7",
    card="#ffffff",
    accent="#1f5fa8",
    good="#17704a",
    bad="#b3261e",
    busy="#7a5200",
    first="#1f5fa8",
    second="#b0630c",
    third="#7b4fa3",
    fourth="#2a7f8c",
    grounds={"good": "#e1f3ea", "bad": "#fbe6e4", "busy": "#fdf0d3", "plain": "#e9edf1"},
)
DARK = Palette(
    ink="#e6edf3",
    soft="#9fadb9",
    line="#2b3742",
    ground="#10171d",
    card="#182129",
    accent="#7db4f0",
    good="#5fcf9a",
    bad="#ff9a90",
    busy="#f0c069",
    first="#7db4f0",
    second="#f0ac5e",
    third="#c3a0e6",
    fourth="#6cc6d2",
    grounds={"good": "#15392a", "bad": "#48201d", "busy": "#40310f", "plain": "#26323c"},
)


def style_properties() -> str:
    """Both palettes as CSS custom properties: light, and dark below `.body--dark`."""
    return f":root {{ {_properties(LIGHT)} }}\n.body--dark {{ {_properties(DARK)} color-scheme: dark; }}\n"


def _properties(palette: Palette) -> str:
    colours = {field.name: getattr(palette, field.name) for field in fields(palette)}
    grounds = {f"{tone}-ground": colour for tone, colour in colours.pop("grounds").items()}
    return " ".join(f"--{name}: {colour};" for name, colour in (colours | grounds).items())
