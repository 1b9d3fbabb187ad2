"""CloudEvents 1.0 in structured JSON (application/cloudevents+json), the data being a GeoJSON feature. Pure.

The feature's geometry is the position of the camera, or null (RFC 7946, 3.2) where it is not configured.
"""

import json

from cloud.integrations.notice import Notice, rfc3339

CONTENT_TYPE = "application/cloudevents+json"
TYPE_PREFIX = "blindspot.hazard."


def cloud_event(notice: Notice) -> bytes:
    """The event; equal notices give equal bytes."""
    hazard = notice.hazard
    geometry = None
    if notice.position is not None:
        geometry = {"type": "Point", "coordinates": list(notice.position)}
    event = {
        "specversion": "1.0",
        "id": notice.id,
        "source": f"/sites/{hazard.site}/cameras/{hazard.camera}",
        "type": f"{TYPE_PREFIX}{notice.change}",
        "subject": hazard.event,
        "time": rfc3339(notice.changed_at),
        "datacontenttype": "application/geo+json",
        "data": {
            "type": "Feature",
            "id": f"{hazard.site}/{hazard.event}",
            "geometry": geometry,
            "properties": {
                "headline": notice.headline,
                "change": notice.change,
                "class": hazard.class_name,
                "severity": hazard.severity,
                "confidence": hazard.confidence,
                "site": hazard.site,
                "camera": hazard.camera,
                "zone": hazard.zone,
                "condition": hazard.condition,
                "started": rfc3339(hazard.started_at_utc),
                "reported": rfc3339(hazard.at_utc),
            },
        },
    }
    return json.dumps(event, separators=(",", ":")).encode()
