"""The configuration file of the page, `blindspot-page --config page.yaml`: logins, and the ground of maps."""

import re
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from dashboards.access.settings import AccessSettings, PageSection, Text
from messaging.runtime.addresses import is_plain_allowed
from messaging.runtime.configuration_files import load_settings

_HOST = re.compile(r"[a-z0-9.-]+(:[0-9]{1,5})?", re.IGNORECASE)
_PLACEHOLDERS = {"x", "y", "z"}
_EXAMPLE = "https://tiles.city.example/{z}/{x}/{y}.png"
PLAN_ADDRESS = "/map-plan.json"
"""Where the page serves the configured plan to its own maps."""


class MapSettings(PageSection):
    """What maps lie on: images of another host, a plan drawn by the page itself, or a graticule.

    `tiles`: the address of the images, with `{z}`, `{x}` and `{y}`. Browsers fetch the tiles themselves, from
    this one host alone. `plan`: a GeoJSON file of lines and polygons, which is read at the start; a relative
    path begins at the folder of the configuration file.
    `attribution` is what the provider of either asks to be named on the map.
    """

    tiles: Text | None = None
    attribution: Text | None = None
    plan: Path | None = None

    @field_validator("tiles")
    @classmethod
    def _is_a_template(cls, tiles: str | None) -> str | None:
        if tiles is None:
            return None
        parts = urlsplit(tiles)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_plain_allowed(tiles)):
            raise ValueError(f"the address of tiles must begin with https://, such as {_EXAMPLE}")
        if not _HOST.fullmatch(parts.netloc):
            raise ValueError(
                f"the host of tiles must be one name without a login or a placeholder, such as {_EXAMPLE}; "
                f"it is {parts.netloc[:80]!r}"
            )
        found = re.findall(r"\{([^}]*)\}", parts.path + parts.query)
        if set(found) != _PLACEHOLDERS:
            raise ValueError(
                f"the address of tiles must have {{z}}, {{x}} and {{y}} and no other placeholder, such as "
                f"{_EXAMPLE}"
            )
        return tiles

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.plan is not None and self.tiles is not None:
            raise ValueError("tiles and plan exclude each other: set one of them")
        if self.plan is None and (self.tiles is None) != (self.attribution is None):
            raise ValueError("tiles and attribution belong together: set both, or neither")
        return self

    @property
    def hosts(self) -> tuple[str, ...]:
        """Scheme and host of the tiles, for the Content-Security-Policy; none without tiles."""
        if self.tiles is None:
            return ()
        parts = urlsplit(self.tiles)
        return (f"{parts.scheme}://{parts.netloc.lower()}",)


class DashboardSettings(AccessSettings):
    """The whole configuration of the page."""

    map: MapSettings = Field(default_factory=MapSettings)


def read_settings(path: Path) -> DashboardSettings:
    """The configuration in a file; its relative paths begin at the folder of the file.

    Raises `ConfigurationError`.
    """
    settings = load_settings(DashboardSettings, path)
    ground, oidc = settings.map, settings.oidc
    if ground.plan is not None:
        ground = ground.model_copy(update={"plan": path.parent / ground.plan})
    if oidc is not None:
        oidc = oidc.model_copy(update={"client_secret_file": path.parent / oidc.client_secret_file})
    return settings.model_copy(update={"map": ground, "oidc": oidc})


DEFAULTS = DashboardSettings()
"""Names and passwords alone, without a proxy; maps with a graticule alone."""
