"""Hostile text in every text field of the OpenAPI document: accepted as data, or refused in a sentence."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import TOO_MANY_REQUESTS
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from cloud.network_settings import ApiSettings
from messaging.cloud_address import find_cloud
from tests.support.cloud.running_cloud import running_cloud
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.edge_campaigns import settings
from tests.support.faults.api_cases import LONGEST_SENTENCE
from tests.support.hostile_text import TEXTS

VALUES = {
    "site": "north", "user": "ana", "mode": "fire.night-clear.missed", "digest": "3f" * 32, "name": "city",
    "token": "1", "number": "1", "image": "1", "letter": "1", "delivery": "1",
}  # fmt: skip
"""What stands in the path while another field has the text."""
LIMITED = ("/api/v1/sessions", "/api/v1/me/password")
"""What limits attempts with a wrong password, however few requests may be sent."""
BODY, QUERY, PATH = "body", "query", "path"


@dataclass(frozen=True)
class TextField:
    """A field of one operation; `body` is the body in which the value at `place` is replaced."""

    method: str
    path: str
    kind: str
    place: tuple[str | int, ...]
    body: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.kind} {'.'.join(map(str, self.place))}"

    def send(self, client: httpx.Client, text: str) -> httpx.Response:
        """The API's answer to a request with the text in this field."""
        path, body = self.path, copy.deepcopy(self.body)
        if self.kind == PATH:
            path = path.replace(f"{{{self.place[0]}}}", quote(text, safe=""))
        if self.kind == BODY:
            where = body
            for key in self.place[:-1]:
                where = where[key]
            where[self.place[-1]] = text
        while "{" in path:
            name = path[path.index("{") + 1 : path.index("}")]
            path = path.replace(f"{{{name}}}", VALUES.get(name, "1"))
        query = {str(self.place[0]): text} if self.kind == QUERY else {}
        return client.request(self.method, path, params=query, json=body)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a running cloud that knows a site, and limits no rate."""
    api = ApiSettings(port=0, requests_per_s=1e5, requests_at_once=100_000)
    chosen = settings(tmp_path_factory.mktemp("cloud"), api=api)
    with running_cloud(chosen, lambda _: ScriptedStages(), sites=("north",)) as cloud:
        address = find_cloud(cloud.settings.data)
        headers = {"Authorization": f"Bearer {address.token}"}
        with httpx.Client(base_url=address.url, headers=headers, trust_env=False, timeout=60) as client:
            yield client


@pytest.fixture(scope="module")
def fields(client: httpx.Client) -> list[TextField]:
    return list(text_fields(client.get("/openapi.json").json()))


def text_fields(document: dict[str, Any]) -> Iterator[TextField]:
    """The text fields of all operations but the stream of live events, which does not end."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path.endswith("/events"):
                continue
            for one in operation.get("parameters", ()):
                if one["in"] in (QUERY, PATH) and _is_text(one["schema"], document):
                    yield TextField(method.upper(), path, one["in"], (one["name"],))
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is not None:
                (schema,) = _resolved(content["schema"], document)
                for place, body in _places(schema, schema["example"], document):
                    yield TextField(method.upper(), path, BODY, place, body)


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives of a schema, without references."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return _resolved(document["components"]["schemas"][name], document)
    if "anyOf" in schema:
        return [found for one in schema["anyOf"] for found in _resolved(one, document)]
    return [schema]


def _is_text(schema: dict[str, Any], document: dict[str, Any]) -> bool:
    return any(one.get("type") == "string" for one in _resolved(schema, document))


def _places(
    schema: dict[str, Any],
    example: Any,
    document: dict[str, Any],
    root: Any = None,
    above: tuple[Any, ...] = (),
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Where a body may have a text, with a body that has something there."""
    root = copy.deepcopy(example) if root is None else root
    for one in _resolved(schema, document):
        if one.get("type") == "string" and above:
            yield above, root
        elif one.get("type") == "array" and "items" in one:
            place = (*above, 0)
            item = example[0] if isinstance(example, list) and example else None
            yield from _places(one["items"], item, document, _with(root, place, item), place)
        elif one.get("type") == "object":
            for name, inner in one.get("properties", {}).items():
                place = (*above, name)
                value = example.get(name) if isinstance(example, dict) else None
                yield from _places(inner, value, document, _with(root, place, value), place)


def _with(root: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The body with a value at a place; lists and objects on the way are made where there are none."""
    changed = copy.deepcopy(root)
    where = changed
    for key, following in pairwise(place):
        if not isinstance(where[key] if isinstance(key, int) else where.get(key), list | dict):
            where[key] = [None] if isinstance(following, int) else {}
        where = where[key]
    where[place[-1]] = value
    return changed


def fault_of(one: TextField, answer: httpx.Response) -> str | None:
    """What is wrong with an answer: a failure of the cloud, a refusal that is no sentence, or HTML."""
    kind = answer.headers.get("content-type", "")
    limited = answer.status_code == TOO_MANY_REQUESTS and one.path not in LIMITED
    if answer.status_code >= 500 or limited or "html" in kind:
        return f"{answer.status_code} {kind}"
    if answer.status_code < 400:
        return None
    sentence = answer.json().get("detail", "")
    if not isinstance(sentence, str) or not 0 < len(sentence) <= LONGEST_SENTENCE or "\n" in sentence:
        return f"no sentence: {sentence!r:.200}"
    return None


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_in_any_field_is_data_or_is_refused_in_a_sentence(
    client: httpx.Client, fields: list[TextField], name: str
) -> None:
    faults = {}
    for one in fields:
        if (fault := fault_of(one, one.send(client, TEXTS[name]))) is not None:
            faults[str(one)] = fault
    assert faults == {}


def test_the_fields_are_those_of_bodies_queries_and_paths(fields: list[TextField]) -> None:
    assert {one.kind for one in fields} == {BODY, QUERY, PATH}
    named = {str(one) for one in fields}
    assert "POST /api/v1/tokens body label" in named
    assert "POST /api/v1/classes body classes.0.words.0" in named
