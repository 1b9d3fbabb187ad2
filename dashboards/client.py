"""Client of a running cloud's REST API over asynchronous HTTP; responses are returned as resources.

Every failure becomes a `DashboardError` of one sentence.
"""

import sys
from collections.abc import Mapping
from http.client import CONFLICT, NOT_FOUND, UNAUTHORIZED
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from dashboards.errors import CloudLost, CloudRefused, NotInThisState, NotThere
from messaging.api.lineage import LineageResource
from messaging.cloud_address import CloudAddress
from messaging.cloud_requests import content_of, given, page_of, refusal_of, whole_path
from messaging.resources import IDEMPOTENCY_HEADER, TOKEN_HEADER, Page
from messaging.tls.connections import tls_fault

R = TypeVar("R", bound=BaseModel)
TIMEOUT_S = 10.0
MAX_PAGES, PAGE_ITEMS = 50, 500
_OF_OBJECTS: Mapping[int, type[CloudRefused]] = {NOT_FOUND: NotThere, CONFLICT: NotInThisState}


class CloudClient:
    """Reads from one cloud; use as an asynchronous context manager or call `close`."""

    def __init__(
        self,
        address: CloudAddress,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`transport` replaces the network in tests."""
        self.url = address.url
        self._http = httpx.AsyncClient(
            base_url=address.url,
            headers={TOKEN_HEADER: f"Bearer {address.token}"},
            timeout=timeout_s,
            transport=transport,
            verify=address.verification,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str, model: type[R], **query: Any) -> R:
        """One resource. Raises `CloudLost`, `CloudRefused`."""
        return self._parsed(await self._request(path, query), model)

    async def page(self, path: str, item: type[R], **query: Any) -> Page[R]:
        """The first page of a list. Raises `CloudLost`, `CloudRefused`."""
        answer = await self._request(path, query)
        return self._parsed(answer, page_of(item))

    async def first_items(self, path: str, item: type[R], most: int, **query: Any) -> Page[R]:
        """The first `most` items of a list, over its pages; `next` states whether there are more.

        Raises `CloudLost`, `CloudRefused`.
        """
        items: list[R] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            limit = min(most - len(items), PAGE_ITEMS)
            page = await self.page(path, item, **query, limit=limit, cursor=cursor)
            items += page.items
            cursor = page.next
            if cursor is None or len(items) >= most:
                return Page(items=tuple(items), next=cursor)
        raise CloudRefused(f"the cloud's list {path!r} does not end after {MAX_PAGES} pages")

    async def all_items(self, path: str, item: type[R], **query: Any) -> tuple[R, ...]:
        """All items of a list, over all its pages. Raises `CloudLost`, `CloudRefused`."""
        return (await self.first_items(path, item, sys.maxsize, **query)).items

    async def send(
        self, method: str, path: str, model: type[R], body: BaseModel | None = None, *, key: str | None = None
    ) -> R:
        """Ask for a change; the answer. Of the body goes what was set. Raises `CloudLost`, `CloudRefused`.

        `key` is an idempotency key: what was asked for with it is not done again.
        """
        answer = await self._request(path, {}, method=method, content=content_of(body), key=key)
        return self._parsed(answer, model)

    async def change(self, method: str, path: str) -> None:
        """Ask for a change that has no answer. Raises `CloudLost`, `CloudRefused`."""
        await self._request(path, {}, method=method)

    async def text(self, path: str) -> str:
        """A document as text. Raises `CloudLost`, `CloudRefused`."""
        return (await self._request(path, {})).text

    async def whole_lineage(self, digest: str) -> LineageResource:
        """The lineage of a model with all pages of its images. Raises `CloudLost`, `CloudRefused`."""
        path, limit = f"models/{digest}/lineage", 500
        page = found = await self.get(path, LineageResource, limit=limit)
        images = list(found.images)
        while page.next is not None:
            page = await self.get(path, LineageResource, limit=limit, cursor=page.next)
            images += page.images
        return found.model_copy(update={"images": tuple(images), "next": None})

    async def sample_sheet(self, sample: str) -> bytes:
        """The PNG of samples that the generator has made. Raises `CloudLost`, `CloudRefused`."""
        return (await self._request(f"samples/{sample}/sheet", {})).content

    async def image_view(self, campaign: str, image: int, view: str) -> bytes:
        """One JPEG of a synthetic image: `thumbnail`, `full`, `empty` or `difference`.

        Raises `CloudLost`, `CloudRefused`.
        """
        answer = await self._request(f"campaigns/{campaign}/images/{image}/{view}", {})
        if answer.headers.get("content-type") != "image/jpeg":
            raise CloudRefused(f"the cloud at {self.url} sent no JPEG as {view} {image}")
        return answer.content

    async def _request(
        self,
        path: str,
        query: dict[str, Any],
        *,
        method: str = "GET",
        content: str | None = None,
        key: str | None = None,
    ) -> httpx.Response:
        headers = {} if content is None else {"Content-Type": "application/json"}
        if key is not None:
            headers[IDEMPOTENCY_HEADER] = key
        try:
            answer = await self._http.request(
                method, whole_path(path), params=given(query), content=content, headers=headers
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CloudLost(
                f"the cloud at {self.url} does not answer ({tls_fault(error) or type(error).__name__}); "
                "is `blindspot cloud run` running?"
            ) from error
        if answer.status_code == UNAUTHORIZED:
            raise CloudLost(f"the cloud at {self.url} has another token by now; it is read again")
        if answer.status_code >= 400:
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: httpx.Response) -> CloudRefused:
        """The cloud's own sentence about an object and its state; with the address for any other refusal."""
        detail = refusal_of(answer.content)
        kind = _OF_OBJECTS.get(answer.status_code)
        if kind is not None and detail is not None:
            return kind(detail)
        status, path = answer.status_code, answer.request.url.path
        return CloudRefused(
            f"the cloud at {self.url} answered {status} to {path}: {detail or 'no reason given'}"
        )

    def _parsed(self, answer: httpx.Response, model: type[R]) -> R:
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as error:
            raise CloudRefused(
                f"the cloud at {self.url} answered {answer.request.url.path} with fields this page cannot "
                f"read ({error.error_count()}); install the same version of both"
            ) from None
