"""The places of the map, from the configured positions and the open hazards of each camera."""

from collections import defaultdict
from collections.abc import Container

from cloud.api.access.caller import VisibleSites, is_visible
from cloud.api.services import Services
from cloud.api.views import ONLINE_S
from cloud.failure_modes.register import open_modes_by_site
from messaging.api.places import PlaceResource

OPEN_FOR_S = 30 * 86_400


def place_of(camera: str, positions: Container[str]) -> str | None:
    """The place of a camera (`SITE/CAMERA`) by its name: its own, or its site; None without position."""
    site = camera.partition("/")[0]
    return next((name for name in (camera, site) if name in positions), None)


def places(services: Services, visible: VisibleSites) -> list[PlaceResource]:
    """All places that may be seen, by name. A site's own place has the cameras that have none."""
    positions = services.settings.positions
    severities: dict[str, list[int]] = defaultdict(list)
    since = services.clock() - OPEN_FOR_S
    for hazards in services.reports.lists.open_hazards(since_utc=int(since), visible=visible):
        place = place_of(f"{hazards.site}/{hazards.camera}", positions)
        if place is not None:
            severities[place] += [hazards.severity] * hazards.number
    names = {site for name in positions if is_visible(site := name.partition("/")[0], visible)}
    states = services.reports.fleet.states(names, online_since=services.clock() - ONLINE_S)
    opened = open_modes_by_site(services.register.modes(), names)
    found = []
    for name, (longitude, latitude) in sorted(positions.items()):
        site, _, camera_name = name.partition("/")
        if site in names:
            found.append(
                PlaceResource(
                    site=site,
                    camera=camera_name or None,
                    longitude=longitude,
                    latitude=latitude,
                    open_hazards=len(severities[name]),
                    severity=max(severities[name], default=None),
                    site_state=states.get(site),
                    open_failure_modes=opened[site],
                )
            )
    return found
