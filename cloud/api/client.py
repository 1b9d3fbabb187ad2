"""The command line's client of a running cloud's REST API: answers are resources.

The address and the token are found in the data folder. Every failure becomes one sentence of ours.
"""

import getpass
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from cloud.dry_runs import DryRunEnded, active
from cloud.errors import BadRequest, CloudError, CloudUnreachable, NotAuthorised, NotKnown, NotNow
from messaging.api.events import LiveEvent
from messaging.cloud_address import CloudAddress, find_cloud
from messaging.cloud_requests import content_of, given, page_of, refusal_of, whole_path
from messaging.errors import FileFault
from messaging.resources import (
    API_PREFIX,
    DRY_RUN_HEADER,
    IDEMPOTENCY_HEADER,
    OPERATOR_HEADER,
    OPERATOR_NAME,
    CampaignResource,
    DryRunResource,
)
from messaging.runtime.quoting import url_segment
from messaging.tls.connections import tls_fault

UPLOAD_TIMEOUT_S = 120.0
R = TypeVar("R", bound=BaseModel)
_ERRORS: dict[int, type[CloudError]] = {
    400: BadRequest,
    403: NotAuthorised,
    404: NotKnown,
    409: NotNow,
    422: BadRequest,
}


class RemoteCloud:
    """A client of one running cloud; use as a context manager."""

    def __init__(self, address: CloudAddress, *, timeout_s: float = 30.0) -> None:
        self.url = address.url
        headers = {"Authorization": f"Bearer {address.token}"}
        if (operator := machine_user()) is not None:
            headers[OPERATOR_HEADER] = operator
        self._client = httpx.Client(
            base_url=address.url,
            headers=headers,
            timeout=timeout_s,
            verify=address.verification,
            trust_env=False,
        )

    @classmethod
    def of_folder(cls, folder: Path, *, timeout_s: float = 30.0) -> "RemoteCloud":
        """The cloud that runs on a data folder. Raises `CloudUnreachable`."""
        try:
            return cls(find_cloud(folder), timeout_s=timeout_s)
        except FileFault as error:
            raise CloudUnreachable(str(error)) from None

    def __enter__(self) -> "RemoteCloud":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, model: type[R], **query: Any) -> R:
        """One resource. Raises `CloudUnreachable`, `NotKnown`, `NotNow`."""
        return self._parsed(model, self._request("GET", path, params=given(query)).content)

    def text(self, path: str) -> str:
        """An answer as text. Raises as `get`."""
        return self._request("GET", path).text

    def content(self, path: str) -> bytes:
        """An answer as bytes, an image for instance. Raises as `get`."""
        return self._request("GET", path).content

    def page(self, path: str, item: type[R], *, most: int | None = None, **query: Any) -> list[R]:
        """All items of a list, page after page, or the first `most`."""
        items: list[R] = []
        cursor: str | None = None
        while True:
            answer = self._request("GET", path, params=given({**query, "cursor": cursor}))
            page = self._parsed(page_of(item), answer.content)
            items += page.items
            cursor = page.next
            if cursor is None or (most is not None and len(items) >= most):
                return items[:most]

    def send(
        self,
        method: str,
        path: str,
        model: type[R],
        body: BaseModel | None = None,
        *,
        key: str | None = None,
    ) -> R:
        """Ask for a change; `key` makes repeating it harmless. Of the body goes what was set."""
        headers = {IDEMPOTENCY_HEADER: key} if key else {}
        content = content_of(body)
        if content is not None:
            headers["Content-Type"] = "application/json"
        answer = self._request(method, path, content=content, headers=headers)
        return self._parsed(model, answer.content)

    def delete(self, path: str) -> None:
        """Remove what is at a path."""
        self._request("DELETE", path)

    def upload(self, path: str, model: type[R], content: bytes) -> R:
        """Send a file's bytes; the answer may take a minute."""
        answer = self._request("POST", path, content=content, timeout=UPLOAD_TIMEOUT_S)
        return self._parsed(model, answer.content)

    def watch(self, campaign: str) -> Iterator[CampaignResource]:
        """The campaign whenever it changes, until it has ended."""
        for data in self._events(f"{API_PREFIX}/campaigns/{url_segment(campaign)}/events"):
            yield self._parsed(CampaignResource, data)

    def live(self, kinds: Sequence[str] = ()) -> Iterator[LiveEvent]:
        """What changes, of these kinds or of all, until the cloud ends the stream (ten minutes)."""
        for data in self._events(f"{API_PREFIX}/events", kind=list(kinds)):
            yield self._parsed(LiveEvent, data)

    def _events(self, path: str, **query: Any) -> Iterator[str]:
        """The data of server-sent events, until the stream ends."""
        try:
            with self._client.stream(
                "GET", path, params=query, timeout=httpx.Timeout(30.0, read=None)
            ) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise _refusal(answer)
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        yield line.removeprefix("data: ")
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        changes_nothing = active() and method != "GET"
        if changes_nothing:
            arguments["headers"] = {**arguments.get("headers", {}), DRY_RUN_HEADER: "true"}
        try:
            answer = self._client.request(method, whole_path(path), **arguments)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        if answer.status_code >= 400:
            raise _refusal(answer)
        if changes_nothing:
            self._end_dry_run(answer)
        return answer

    def _end_dry_run(self, answer: httpx.Response) -> None:
        """Raise `DryRunEnded` for a change that would be made; else there was nothing to change."""
        if DRY_RUN_HEADER not in answer.headers:
            raise CloudUnreachable(
                f"the cloud at {self.url} knows no dry runs and has made the change; install the same version"
            )
        try:
            found = DryRunResource.model_validate_json(answer.content)
        except ValidationError:
            return
        raise DryRunEnded(found.would)

    def _parsed(self, model: type[R], content: str | bytes) -> R:
        try:
            return model.model_validate_json(content)
        except ValidationError:
            raise CloudUnreachable(
                f"what answers at {self.url} is no Blindspot cloud of this version; restart "
                "`blindspot cloud run`, which writes its address again"
            ) from None

    def _unreachable(self, error: Exception) -> CloudUnreachable:
        why = tls_fault(error) or type(error).__name__
        return CloudUnreachable(
            f"the cloud at {self.url} does not answer ({why}); is `blindspot cloud run` up?"
        )


def machine_user() -> str | None:
    """The name of this machine's user, where it has one that a history can hold."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        return None
    return name if re.match(OPERATOR_NAME, name) else None


def _refusal(answer: httpx.Response) -> CloudError:
    detail = refusal_of(answer.content)
    if detail is None:
        detail = f"the cloud answered {answer.status_code} to {answer.request.url.path}"
    return _ERRORS.get(answer.status_code, CloudUnreachable)(detail)
