"""The REST API's types of refused messages."""

from typing import Any

from messaging.resources import Resource


class DeadLetterResource(Resource):
    """A refused message that was kept for inspection."""

    id: int
    subject: str
    message_id: str
    reason: str
    length_bytes: int
    received_at: int


class DeadLetterContent(DeadLetterResource):
    """A refused message with its content: the bytes that were kept, and the message if they are one."""

    data_hex: str
    message: dict[str, Any] | None = None


class ReplayResource(Resource):
    """A refused message that intake took after all, and how many of its reports were not stored before."""

    id: int
    reports: int
