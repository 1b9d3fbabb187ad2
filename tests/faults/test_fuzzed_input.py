"""Every reader of foreign bytes either reads them or raises the error that it documents, never another."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import BaseModel

from cloud.api.paging import decode_cursor, encode_cursor
from cloud.data.yaml_text import parse_yaml
from cloud.errors import BadRequest
from cloud.settings import CloudSettings
from edge.errors import BundleRefused, LedgerBroken
from edge.gate.ledger import Ledger
from edge.gate.ledger_entries import HEAD_FILE, LEDGER_FILE, Outgoing, verify
from edge.gate.settings import GateSettings
from edge.settings import NodeSettings
from edge.updates.weights_state import WeightsState, read_state
from edge.vision.onnx_file import refuse_unsafe
from messaging.errors import ConfigurationError, FileFault, MessageRefused, StateFileBroken, TrustError
from messaging.nats.authority import HubAuthority
from messaging.nats.credentials import read_credentials
from messaging.receipts import START, LanePlace, LaneReceipt, Receipt, ReportHeader, report_header
from messaging.runtime.configuration_files import parse_settings
from messaging.runtime.text_files import decode_json, decode_text
from messaging.trust.manifest import ReleaseManifest
from messaging.trust.orders import verify_order
from messaging.trust.site_signatures import signed_receipt, verified_checkpoint, verified_receipt
from messaging.trust.site_trust import SiteTrust
from messaging.wire_format.codec import Message, decode, encode
from tests.support.edge.tiny_bundles import tiny_bundle
from tests.support.faults.mangled import DEEP, json_values, mangled, yaml_documents
from tests.support.messaging.samples import DIGEST, HAZARD, MISDETECTION, ULID_SAMPLE
from tests.support.messaging.site_keys import site_key
from tests.support.profiles import DOCUMENTS, INPUTS
from tests.support.release_fleet import SITE, Fleet

SLOWEST_CPU_S = 5.0


@dataclass(frozen=True)
class Reader:
    """A reader, the errors that it documents, and valid input."""

    read: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    samples: tuple[bytes, ...]


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reader]:
    folder = tmp_path_factory.mktemp("input")
    fleet = Fleet(folder / "fleet")
    fleet.order(DIGEST)
    trust = fleet.repository.site_trust
    receipt = Receipt(SITE, "database", "hub", {"hazards": LaneReceipt("stream", 3, 3, DIGEST)})
    signed = signed_receipt(receipt, fleet.repository.director)
    ledger = _ledger(folder / "ledger")
    shutil.copy(folder / "ledger" / HEAD_FILE, folder)
    messages = tuple(
        encode(Message(ULID_SAMPLE, SITE, 1_800_000_000, report)) for report in (HAZARD, MISDETECTION)
    )

    def of_file(read: Callable[[Path], object]) -> Callable[[bytes], object]:
        def of_bytes(data: bytes) -> object:
            (folder / "input").write_bytes(data)
            return read(folder / "input")

        return of_bytes

    state = WeightsState(last_sequence=3, version_floor=2).model_dump_json().encode()
    credentials = HubAuthority(folder / "keys", clock=time.time).enrol_site(SITE).read_bytes()
    order = (fleet.mirror / "orders" / f"{SITE}.json").read_bytes()
    return {
        "message": Reader(decode, (MessageRefused,), messages),
        "receipt": Reader(lambda data: verified_receipt(data, trust.director), (TrustError,), (signed,)),
        "checkpoint": Reader(
            verified_checkpoint, (TrustError,), (site_key(SITE).checkpoint(START, 0).to_bytes(),)
        ),
        "order": Reader(lambda data: verify_order(data, trust.director), (TrustError,), (order,)),
        "trust file": Reader(SiteTrust.from_bytes, (ConfigurationError,), (trust.to_bytes(),)),
        "bundle": Reader(lambda data: refuse_unsafe(data, "it"), (BundleRefused,), (tiny_bundle(),)),
        "ledger": Reader(of_file(verify), (LedgerBroken, ConfigurationError), (ledger,)),
        "credentials": Reader(of_file(read_credentials), (ConfigurationError,), (credentials,)),
        "state of the models": Reader(of_file(read_state), (StateFileBroken,), (state,)),
        "JSON file": Reader(
            lambda data: decode_json(decode_text(data, origin="it"), origin="it"), (FileFault,), (state,)
        ),
        "cursor": Reader(
            lambda data: decode_cursor(data.decode("latin-1")),
            (BadRequest,),
            (encode_cursor([1, "a"]).encode(),),
        ),
        "headers": Reader(
            lambda data: report_header(data.decode("utf-8", "replace")),
            (MessageRefused,),
            (ReportHeader(START, LanePlace("stream", 4, 3, 2)).text.encode(),),
        ),
    }


def _ledger(folder: Path) -> bytes:
    ledger = Ledger(folder, site_key("s1"))
    ledger.append([Outgoing(f"id{n}", "subject", "hazard", bytes([n])) for n in range(3)], 1_800_000_000)
    ledger.close()
    return (folder / LEDGER_FILE).read_bytes()


NAMES = (
    *("message", "receipt", "order", "trust file", "bundle", "ledger", "credentials", "state of the models"),
    *("JSON file", "cursor", "headers", "checkpoint"),
)
few = settings(
    max_examples=INPUTS, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
documents = settings(few, max_examples=DOCUMENTS)


def _refusal(read: Callable[[bytes], object], data: bytes, errors: tuple[type[Exception], ...]) -> str | None:
    """The sentence of a refusal, None if the data was read; other errors and long work fail the test."""
    before_s, sentence = time.process_time(), None
    try:
        read(data)
    except errors as error:
        sentence = str(error)
    assert time.process_time() - before_s < SLOWEST_CPU_S
    assert sentence is None or (sentence.strip() and "\n" not in sentence)
    return sentence


@pytest.mark.parametrize("name", NAMES)
def test_bytes_that_are_nearly_right_are_read_or_refused(readers: dict[str, Reader], name: str) -> None:
    reader, refused = readers[name], 0
    for sample in reader.samples:
        reader.read(sample)

    @few
    @given(mangled(reader.samples))
    def run(data: bytes) -> None:
        nonlocal refused
        refused += _refusal(reader.read, data, reader.errors) is not None

    run()
    assert refused > INPUTS // 4 or not reader.errors


@few
@given(json_values)
def test_custom_data_of_a_target_is_a_manifest_or_refused(custom: object) -> None:
    with pytest.raises(TrustError):
        ReleaseManifest.from_target(DIGEST, 100, custom)


@pytest.mark.parametrize("model", [NodeSettings, GateSettings, CloudSettings])
def test_a_configuration_is_read_or_refused_in_one_sentence(model: type[BaseModel]) -> None:
    def read(data: bytes) -> object:
        return parse_settings(model, data.decode(), origin="it", environment={})

    @documents
    @given(yaml_documents)
    def run(text: str) -> None:
        _refusal(read, text.encode("utf-8", "replace"), (ConfigurationError,))

    run()


@documents
@given(yaml_documents)
def test_a_description_of_data_is_read_or_refused_in_one_sentence(text: str) -> None:
    _refusal(lambda data: parse_yaml(data.decode(), "it"), text.encode("utf-8", "replace"), (FileFault,))


def test_the_libraries_alone_raise_other_errors() -> None:
    """The control: what keeps such input from ending a program is ours."""
    with pytest.raises(RecursionError):
        yaml.safe_load("a: " + "[" * 1_200)
    with pytest.raises(RecursionError):
        json.loads(b"[" * DEEP)
