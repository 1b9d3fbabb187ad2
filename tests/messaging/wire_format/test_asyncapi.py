"""The AsyncAPI document names every payload, and each of its references leads somewhere."""

from typing import Any

from messaging.wire_format.asyncapi import asyncapi_document
from messaging.wire_format.codec import PAYLOADS


def references(value: Any) -> list[str]:
    """Every `$ref` in a document."""
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [one for part in value.values() for one in references(part)]
    return [one for part in value for one in references(part)] if isinstance(value, list) else []


def test_every_payload_is_in_the_document_with_its_schema() -> None:
    document = asyncapi_document()
    assert set(document["channels"]) == set(PAYLOADS)
    for row in PAYLOADS.values():
        assert set(document["components"]["schemas"][row.model.__name__]["properties"]) == set(
            row.model.model_fields
        )


def test_every_reference_leads_to_a_part_of_the_document() -> None:
    document = asyncapi_document()
    found = references(document)
    assert len(found) > 3 * len(PAYLOADS) - 1
    for reference in found:
        place: Any = document
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]
