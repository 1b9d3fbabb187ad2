"""The cameras of one failure mode, from its evidence and the configured positions."""

from cloud.api.access.caller import VisibleSites, is_visible
from cloud.api.computed.places import place_of
from cloud.api.services import Services
from cloud.failure_modes.rules import CameraEvidence, FailureMode
from messaging.api.mode_cameras import ModeCameraResource


def mode_cameras(services: Services, mode: FailureMode, visible: VisibleSites) -> list[ModeCameraResource]:
    """Its cameras at visible sites, those with the most misdetections first."""
    found = [
        _camera(services, name, evidence)
        for name, evidence in mode.by_camera.items()
        if is_visible(name.partition("/")[0], visible)
    ]
    return sorted(found, key=lambda one: (-one.misdetections, one.site, one.camera))


def _camera(services: Services, name: str, evidence: CameraEvidence) -> ModeCameraResource:
    site, _, camera = name.partition("/")
    positions = services.settings.positions
    place = place_of(name, positions)
    longitude, latitude = positions[place] if place else (None, None)
    return ModeCameraResource(
        site=site,
        camera=camera,
        misdetections=evidence.count,
        last_seen_utc=evidence.last_utc,
        position_of=None if place is None else "camera" if place == name else "site",
        longitude=longitude,
        latitude=latitude,
    )
