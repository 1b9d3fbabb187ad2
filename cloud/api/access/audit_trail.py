"""The audit log of the API: each requested change with its object before and after."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi.encoders import jsonable_encoder

from cloud.access.principal import Principal
from cloud.api.services import Services
from cloud.errors import NotKnown, StoreUnavailable
from cloud.store.access_records import AuditEntry
from cloud.store.mapping import Record

logger = logging.getLogger(__name__)
PASSWORD = "password_hash"
NEVER_STORED = frozenset({"token", "password", PASSWORD, "secret_hash"})
MAX_ANSWER_BYTES = 16_384
MAKING = frozenset({"POST /sites/{site}/verdict-requests"})
"""Actions that make something new below the object of their path: it is in the answer."""


class AuditTrail:
    """Writes the audit log. An object is read by the name of its part of the path, such as `{site}`."""

    def __init__(self, services: Services) -> None:
        self._store, self._now = services.audit, services.clock
        self._readers: Mapping[str, Callable[[str], Record]] = {
            "site": services.reports.site,
            "campaign": services.campaign_rows.get,
            "rollout": services.releases.rollout,
            "user": services.accounts.user,
            "mode": lambda mode: services.register.mode(mode).state,
        }

    def present(self, path_params: Mapping[str, str]) -> dict[str, Any] | None:
        """The values of a request's object as they are now; None if there is none, or not yet.

        Also those that are never stored: whether they changed is.
        """
        for name, value in path_params.items():
            if name in self._readers:
                try:
                    return dict(self._readers[name](value).values())
                except (NotKnown, StoreUnavailable):
                    return None
        return None

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
        making = action in MAKING
        before = None if making else before
        after = self.present(path_params) if status < 400 and not making else before
        shown = None if after is None else _shown(after)
        if shown is None and status < 400:
            shown = _of_answer(answer)
        elif before and after and before.get(PASSWORD) != after.get(PASSWORD):
            shown = {**(shown or {}), "password": "changed"}
        named = " ".join(f"{name} {value}" for name, value in path_params.items())
        entry = AuditEntry(
            at_utc=int(self._now()),
            user=principal.name,
            address=address[:80],
            action=action,
            object=(named or action.rpartition("/")[2])[:160],
            status=status,
            before=None if before is None else _shown(before),
            after=shown,
        )
        try:
            self._store.add(entry)
        except StoreUnavailable as error:
            logger.error("%s by %s is not in the audit log: %s", action, principal.name, error)


def _of_answer(answer: bytes) -> dict[str, Any] | None:
    try:
        made = json.loads(answer) if len(answer) <= MAX_ANSWER_BYTES else None
    except ValueError:
        return None
    return _shown(made) if isinstance(made, dict) else None


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    encoded = jsonable_encoder({name: value for name, value in values.items() if name not in NEVER_STORED})
    shown: dict[str, Any] = encoded
    return shown
