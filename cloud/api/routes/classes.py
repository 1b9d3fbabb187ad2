"""API routes of the hazard classes: list them, add some."""

from fastapi import APIRouter

from cloud.api.services import CloudServices, Services
from messaging.resources import AddedClasses, ClassesResource

router = APIRouter(tags=["classes"])


@router.get("/classes")
def classes(services: CloudServices) -> ClassesResource:
    """All classes, in their order, and those that the newest release detects."""
    return _view(services)


@router.post("/classes", status_code=201)
def add(services: CloudServices, request: AddedClasses) -> ClassesResource:
    """Add classes at the end; the next campaign gives the detector an output for each."""
    services.classes.add(request.classes)
    return _view(services)


def _view(services: Services) -> ClassesResource:
    latest = services.releases.current_service()
    detected = tuple(latest.description.get("class_names", ())) if latest else ()
    return ClassesResource(classes=services.classes.taxonomy.classes, detected=detected)
