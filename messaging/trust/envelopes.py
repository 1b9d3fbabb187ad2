"""Signed documents from the cloud to a site: canonical JSON in base64, its signature, the id of the key.

The caller's purpose is a part of what is signed, so that no document can be read as one of another kind.
"""

import base64
import binascii
import json
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from messaging.errors import TrustError
from messaging.trust.keys import PublicKey, SigningKey

MAX_ENVELOPE_BYTES = 8 * 1024
Document = TypeVar("Document", bound=BaseModel)


def sign_envelope(document: BaseModel, purpose: bytes, key: SigningKey) -> bytes:
    """The envelope of a document."""
    values = document.model_dump(mode="json")
    payload = json.dumps(values, sort_keys=True, separators=(",", ":")).encode("ascii")
    envelope = {
        "key": key.public.key_id,
        "payload": base64.b64encode(payload).decode("ascii"),
        "signature": key.sign(purpose + payload),
    }
    return json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode("ascii")


def open_envelope(
    envelope: bytes, purpose: bytes, key: PublicKey, document: type[Document], what: str
) -> Document:
    """The document in an envelope; `what` names it in errors.

    Raises `TrustError`: over `MAX_ENVELOPE_BYTES`, not an envelope, not signed by this key for this purpose,
    or of another form.
    """
    if len(envelope) > MAX_ENVELOPE_BYTES:
        raise TrustError(f"{what} has over {MAX_ENVELOPE_BYTES} bytes; it was not parsed", "wrong_length")
    try:
        parts = json.loads(envelope)
        payload = base64.b64decode(parts["payload"], validate=True)
        signature = str(parts["signature"])
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        raise TrustError(f"{what} is not an envelope of payload, signature and key") from None
    key.verify(purpose + payload, signature, what)
    try:
        return document.model_validate_json(payload)
    except ValidationError as error:
        raise TrustError(f"{what} is signed but has another form: {error}") from None
