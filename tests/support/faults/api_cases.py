"""Requests to the REST API from its own OpenAPI document (schemathesis), and what an answer must be.

To what schemathesis generates, values are added that only this cloud knows: ids that exist, cursors with any
JSON inside, campaign options of any type. Without them most requests end at "not known".
"""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from json import dumps
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

TIMEOUT_S = 30.0
LONGEST_SENTENCE = 600
_EVENTS = "/events"  # a stream that lasts as long as its campaign
_OPTIONS = ("best_of", "budget_factor", "use_prototypes", "epochs", "learning_rate", "other")
ODD_TEXTS = (
    *("\0", "%00", "..", "../../token", "é", "\u202e", "a" * 300, "0" * 64, "-1", "0", "9" * 25),
    *("NaN", "1e400", str(2**63), str(2**53)),
)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from((2**31, 2**53, 2**63, 2**64, 10**30, -1))
    | st.text(st.characters(exclude_categories=()), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@dataclass
class ApiTally:
    """Answers by status, and the answers that must not be: what was sent and what came."""

    answers: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """Requests that were sent."""
        return self.answers.total()

    @property
    def server_errors(self) -> int:
        """Answers with a status from 500 on."""
        return sum(n for status, n in self.answers.items() if status >= 500)

    @property
    def unclear(self) -> int:
        """Refusals that are not one sentence."""
        return len(self.faults) - self.server_errors


class _Session(requests.Session):
    """A session that sends infinite numbers and NaN as Python writes them, which requests refuses to send."""

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """As of requests."""
        if request.json is not None:
            request.data, request.json = dumps(request.json).encode(), None
            request.headers = {"Content-Type": "application/json", **(request.headers or {})}
        return super().prepare_request(request)


def send_cases(url: str, token: str, *, cases: int, known: Sequence[str], first_seed: int = 0) -> ApiTally:
    """Send about `cases` requests to the API, as many to each of its operations.

    Args:
        url: address of the cloud.
        token: its token.
        cases: number of requests.
        known: ids that exist: of campaigns, failure modes, models, sites.
        first_seed: the same seed sends the same requests.
    """
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), f"the OpenAPI document is not valid: {found}"
        if not found.ok().path.endswith(_EVENTS):
            operations.append(found.ok())
    tally, each = ApiTally(), -(-cases // len(operations))
    with _Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {token}"
        for number, operation in enumerate(operations):
            _send_to(session, operation, tally, each=each, known=known, seed_=first_seed + number)
    return tally


def fault_of(answer: schemathesis.Response) -> str | None:
    """What is wrong with an answer: the cloud's own failure, or a refusal that is not one sentence."""
    if answer.status_code >= 500:
        return f"status {answer.status_code}"
    if answer.status_code < 400:
        return None
    if answer.headers.get("content-type") != ["application/problem+json"]:
        return f"a refusal as {answer.headers.get('content-type')}"
    sentence = answer.json()["detail"]
    if not sentence or "\n" in sentence or len(sentence) > LONGEST_SENTENCE:
        return f"no sentence, but {sentence!r}"
    return None


def _send_to(
    session: requests.Session, operation: Any, tally: ApiTally, *, each: int, known: Sequence[str], seed_: int
) -> None:
    modes = [GenerationMode.POSITIVE]
    if operation.body or operation.query or operation.headers or operation.path_parameters:
        modes.append(GenerationMode.NEGATIVE)
    generated = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))

    @seed(seed_)
    @settings(
        max_examples=each, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(generated, st.data())
    def send(case: Any, data: st.DataObject) -> None:
        _use_known(case, data, known)
        answer = case.call(session=session, timeout=TIMEOUT_S)
        tally.answers[answer.status_code] += 1
        if (fault := fault_of(answer)) is not None:
            sent = answer.request
            tally.faults.append(f"{sent.method} {sent.url} {sent.body!r:.300}: {fault}: {answer.text:.300}")

    send()


def _use_known(case: Any, data: st.DataObject, known: Sequence[str]) -> None:
    """Replace some of the values by ones that this cloud knows, or that are odd."""
    for name in case.path_parameters or {}:
        if data.draw(st.booleans()):
            case.path_parameters[name] = data.draw(st.sampled_from((*known, *ODD_TEXTS)))
    if any(one.name == "cursor" for one in case.operation.query) and data.draw(st.booleans()):
        place = dumps(data.draw(_json)).encode()
        case.query = {**(case.query or {}), "cursor": base64.urlsafe_b64encode(place).decode().rstrip("=")}
    if isinstance(case.body, dict) and "options" in case.body and data.draw(st.booleans()):
        case.body["options"] = data.draw(st.dictionaries(st.sampled_from(_OPTIONS), _json, max_size=2))
        case.body["modes"] = data.draw(st.lists(st.sampled_from((*known, *ODD_TEXTS)), max_size=2))
