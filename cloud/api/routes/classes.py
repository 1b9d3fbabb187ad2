"""API routes of the hazard classes: list them, add some."""

from fastapi import APIRouter, Request, Response

from cloud.api.entity_tags import tagged
from cloud.api.services import CloudServices, Services
from messaging.resources import AddedClasses, ClassesResource

router = APIRouter(tags=["classes"])


@router.get("/classes", response_model=ClassesResource)
def classes(services: CloudServices, request: Request) -> Response:
    """All classes, in their order, and those that the newest release detects."""
    return tagged(request, _view(services))


@router.post("/classes", status_code=201)
def add(services: CloudServices, added: AddedClasses) -> ClassesResource:
    """Add classes at the end; the next campaign gives the detector an output for each."""
    services.classes.add(added.classes)
    return _view(services)


def _view(services: Services) -> ClassesResource:
    latest = services.releases.current_service()
    detected = tuple(latest.description.get("class_names", ())) if latest else ()
    return ClassesResource(classes=services.classes.taxonomy.classes, detected=detected)
