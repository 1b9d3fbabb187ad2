"""The AsyncAPI document of what sites send, generated from the table of payloads.

The schemas describe a report as JSON, as `blindspot message` prints it; on the wire it is packed, as
docs/wire-format.md describes.
"""

from typing import Any

from messaging.runtime.program import package_version
from messaging.wire_format.codec import PAYLOADS

CONTENT_TYPE = "application/vnd.blindspot.packed"


def asyncapi_document() -> dict[str, Any]:
    """AsyncAPI 3.0: one channel, operation and message for each kind of payload."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for row in PAYLOADS.values():
        schema = row.model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[row.model.__name__] = schema
        channels[row.kind] = {
            "address": f"site.{{site}}.report.{row.kind}.{{message}}",
            "description": f"{row.lane.value}: at most {row.max_reports} reports and {row.cap_bytes} bytes",
            "parameters": {
                "site": {"description": "name of the site"},
                "message": {"description": "its ULID"},
            },
            "messages": {row.kind: {"$ref": f"#/components/messages/{row.kind}"}},
        }
        operations[f"receive_{row.kind}"] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{row.kind}"},
        }
        messages[row.kind] = {
            "name": row.kind,
            "contentType": CONTENT_TYPE,
            "payload": {"$ref": f"#/components/schemas/{row.model.__name__}"},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Blindspot messages", "version": package_version()},
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }
