"""API routes of dead letters: list, read, replay."""

from fastapi import APIRouter

from cloud.api.paging import Cursor, Limit, RowNumber, integer_cursor, page_of_query
from cloud.api.services import CloudServices
from cloud.store.report_records import DeadLetter
from messaging.api.dead_letters import DeadLetterContent, DeadLetterResource, ReplayResource
from messaging.errors import MessageRefused
from messaging.fields import Slug
from messaging.resources import Page
from messaging.wire_format.codec import decode
from messaging.wire_format.inspection import cloud_event

router = APIRouter(prefix="/dead-letters", tags=["fleet"])


@router.get("")
def dead_letters(
    services: CloudServices, site: Slug | None = None, cursor: Cursor = None, limit: Limit = 100
) -> Page[DeadLetterResource]:
    """Refused messages that were kept, of one site or of all, latest first."""
    found = services.reports.dead_letters(site=site, before=integer_cursor(cursor) or None, limit=limit + 1)
    return page_of_query(found, limit, place=lambda letter: letter.id, show=DeadLetterResource.model_validate)


@router.get("/{letter}")
def dead_letter(services: CloudServices, letter: RowNumber) -> DeadLetterContent:
    """One refused message with its content."""
    return _content(services.reports.dead_letter(letter))


@router.post("/{letter}/replay")
def replay(services: CloudServices, letter: RowNumber) -> ReplayResource:
    """Give a refused message to intake again; it is removed once its reports are stored."""
    return ReplayResource(id=letter, reports=services.dead_letters.replay(letter))


def _content(letter: DeadLetter) -> DeadLetterContent:
    try:
        message = cloud_event(decode(letter.data))
    except MessageRefused:
        message = None
    shown = DeadLetterResource.model_validate(letter)
    return DeadLetterContent(**shown.model_dump(), data_hex=letter.data.hex(), message=message)
