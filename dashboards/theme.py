"""Colours of the pages, light and dark: one meaning a colour, text at contrast AA or better.

The style sheet uses the names as CSS custom properties; charts, whose library wants literal colours, use the
values.
"""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Palette:
    """Colours as `#rrggbb`. `good`, `bad` and `busy` have a ground each, for labels and bars.

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
    good_ground: str
    bad: str
    bad_ground: str
    busy: str
    busy_ground: str
    plain_ground: str
    first: str
    second: str
    third: str
    fourth: str

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
    good_ground="#e1f3ea",
    bad="#b3261e",
    bad_ground="#fbe6e4",
    busy="#7a5200",
    busy_ground="#fdf0d3",
    plain_ground="#e9edf1",
    first="#1f5fa8",
    second="#b0630c",
    third="#7b4fa3",
    fourth="#2a7f8c",
)
DARK = Palette(
    ink="#e6edf3",
    soft="#9fadb9",
    line="#2b3742",
    ground="#10171d",
    card="#182129",
    accent="#7db4f0",
    good="#5fcf9a",
    good_ground="#15392a",
    bad="#ff9a90",
    bad_ground="#48201d",
    busy="#f0c069",
    busy_ground="#40310f",
    plain_ground="#26323c",
    first="#7db4f0",
    second="#f0ac5e",
    third="#c3a0e6",
    fourth="#6cc6d2",
)


def style_properties() -> str:
    """Both palettes as CSS custom properties: light, and dark below `.body--dark`."""
    return f":root {{ {_properties(LIGHT)} }}\n.body--dark {{ {_properties(DARK)} color-scheme: dark; }}\n"


def _properties(palette: Palette) -> str:
    return " ".join(
        f"--{field.name.replace('_', '-')}: {getattr(palette, field.name)};" for field in fields(palette)
    )
