"""Every error of nats-py is translated into one of ours."""

import asyncio
import inspect
from pathlib import Path

import nats.errors
import pytest

from messaging.bus import Link
from messaging.errors import (
    ConfigurationError,
    MessageRefused,
    WireError,
    WireForbidden,
    WireFull,
    WireUnavailable,
)
from messaging.nats.connection import NatsConnection
from messaging.nats.refusals import ApiError

FOREIGN = sorted(
    {
        kind
        for _, kind in inspect.getmembers(nats.errors, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__.startswith("nats.")
    },
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", FOREIGN, ids=[kind.__name__ for kind in FOREIGN])
def test_every_error_of_the_library_is_caught_and_becomes_one_of_ours(kind: type[Exception]) -> None:
    assert issubclass(kind, nats.errors.Error | OSError | ValueError), "the connection does not catch it"
    bare = type(kind.__name__, (kind,), {"__init__": lambda self: None, "__str__": lambda self: "why"})
    error = bare()
    ours = NatsConnection(Link("nats://127.0.0.1:1", "x"), 1.0)._translated(error, "a.subject")
    assert isinstance(ours, WireError | MessageRefused)
    assert "a.subject" in str(ours)


@pytest.mark.parametrize(
    ("answer", "ours"),
    [
        ({"code": 400, "err_code": 10054, "description": "message size exceeds maximum"}, MessageRefused),
        ({"code": 503, "err_code": 10077, "description": "maximum bytes exceeded"}, WireFull),
        ({"code": 500, "err_code": 10047, "description": "insufficient storage"}, WireFull),
        ({"code": 404, "err_code": 10059, "description": "stream not found"}, WireUnavailable),
        ({"code": 503, "err_code": 10008, "description": "system unavailable"}, WireUnavailable),
        ({"code": 500, "err_code": 10077, "description": "disk error"}, WireUnavailable),
        ({"code": 403, "err_code": 1, "description": "not allowed"}, WireForbidden),
        ({"code": 400, "err_code": 10003, "description": "bad request"}, WireError),
    ],
)
def test_the_servers_codes_become_our_errors(answer: dict[str, object], ours: type[Exception]) -> None:
    assert type(ApiError(answer).translated("THINGS")) is ours


def test_a_missing_key_of_the_site_names_the_program_that_makes_it(tmp_path: Path) -> None:
    link = Link("nats://127.0.0.1:1", "node-harbour", nkey_seed_path=str(tmp_path / "node.nk"))
    with pytest.raises(
        ConfigurationError, match=r"is missing; .*; the site's broker makes it at its first start"
    ):
        asyncio.run(NatsConnection.connect(link))
