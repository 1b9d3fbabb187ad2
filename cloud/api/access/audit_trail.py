"""The audit log of the API: each requested change with its object before and after."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from fastapi.encoders import jsonable_encoder

from cloud.access.accounts import token_id_of
from cloud.access.principal import Principal
from cloud.api.access.audited_objects import RENAMING, AuditedObjects
from cloud.api.services import Services
from cloud.errors import StoreUnavailable
from cloud.store.access_records import AuditEntry

logger = logging.getLogger(__name__)
PASSWORD = "password_hash"
NEVER_STORED = frozenset({"token", "password", PASSWORD, "secret_hash"})
"""Names of values that are left out of an entry, however deep inside they are."""
MAX_ANSWER_BYTES = 16_384


class AuditTrail:
    """Writes the audit log."""

    def __init__(self, services: Services) -> None:
        self._store, self._now = services.audit, services.clock
        self._objects = AuditedObjects(services)

    def present(
        self, action: str, path_params: Mapping[str, str], principal: Principal
    ) -> dict[str, Any] | None:
        """The values of a request's object as they are now; None if there is none, or not yet.

        `action` is the method and the route. Also those that are never stored: whether they changed is.
        """
        return self._objects.present(action.partition(" ")[2], path_params, principal)

    def note(
        self,
        principal: Principal,
        address: str,
        action: str,
        path_params: Mapping[str, str],
        *,
        status: int,
        before: dict[str, Any] | None,
        answer: bytes,
    ) -> None:
        """Add an entry. What a change made is taken from the answer, unless it has an object to be read."""
        answered = _of_answer(answer) if status < 400 else None
        named = path_params
        if (part := RENAMING.get(action.partition(" ")[2])) and answered is not None:
            named = {**path_params, part: answered[part]}
        after = self.present(action, named, principal) if status < 400 else before
        shown = answered if after is None else _shown(after)
        if before and after and before.get(PASSWORD) != after.get(PASSWORD):
            shown = {**(shown or {}), "password": "changed"}
        entry = AuditEntry(
            at_utc=int(self._now()),
            user=principal.name,
            address=address[:80],
            action=action,
            object=_object_name(action, path_params),
            status=status,
            before=None if before is None else _shown(before),
            after=shown,
        )
        try:
            self._store.add(entry)
        except StoreUnavailable as error:
            logger.error("%s by %s is not in the audit log: %s", action, principal.name, error)


def _object_name(action: str, path_params: Mapping[str, str]) -> str:
    """The object by the parts of the path; of a token whose whole text was given, only its id."""
    named = " ".join(
        f"{name} {token_id_of(value) if name == 'token' else value}" for name, value in path_params.items()
    )
    return (named or action.rpartition("/")[2])[:160]


def _of_answer(answer: bytes) -> dict[str, Any] | None:
    try:
        made = json.loads(answer) if len(answer) <= MAX_ANSWER_BYTES else None
    except ValueError:
        return None
    return _shown(made) if isinstance(made, dict) else None


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = _without_secrets(jsonable_encoder(values))
    return shown


def _without_secrets(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_secrets(item) for name, item in value.items() if name not in NEVER_STORED}
        case list():
            return [_without_secrets(item) for item in value]
        case _:
            return value
