"""Hub models: pinned, fetched by the remedy that the sentence names, and one sentence when out of reach."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from messaging.errors import ConfigurationError
from synth.errors import GeneratorUnavailable
from synth.generation import hub_model
from synth.generation.generator import Generator
from synth.generation.generator_name import HubName
from synth.generation.hub_model import fetch_model
from synth.generation.model_folder import BUNDLED_FOLDER, inspect_folder
from synth.generation.stable_diffusion import DiffusionGenerator

MODEL, COMMIT = "someone/sd-inpainting", "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    """The part of a model hub's API that a download uses, with the bundled model at one commit."""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.split("?")[0]
        if re.fullmatch(rf"/api/models/{MODEL}(/revision/{COMMIT})?", path):
            files = sorted(p.relative_to(BUNDLED_FOLDER) for p in BUNDLED_FOLDER.rglob("*") if p.is_file())
            siblings = [{"rfilename": name.as_posix()} for name in files]
            body = json.dumps({"id": MODEL, "modelId": MODEL, "sha": COMMIT, "siblings": siblings}).encode()
        elif path.startswith(prefix := f"/{MODEL}/resolve/{COMMIT}/"):
            body = (BUNDLED_FOLDER / path.removeprefix(prefix)).read_bytes()
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hash(path) & 0xFFFFFFFF:08x}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _use_hub(monkeypatch: pytest.MonkeyPatch, cache: Path, port: int) -> None:
    address = f"http://127.0.0.1:{port}"
    files = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    _use_hub(monkeypatch, tmp_path / "cache", server.server_port)
    yield
    server.shutdown()
    server.server_close()
    thread.join()


def _open(name: str) -> Generator:
    return DiffusionGenerator.from_name(name, licence="unknown")


def test_the_remedy_for_a_hub_id_without_a_commit_works(hub: None) -> None:
    for name in (MODEL, f"{MODEL}@", f"{MODEL}@main", f"{MODEL}@{COMMIT[:7]}"):
        with pytest.raises(ConfigurationError, match=rf"write {MODEL}@COMMIT"):
            _open(name)
    generator = _open(f"{MODEL}@{COMMIT}")
    assert generator.card.name == MODEL
    assert generator.card.digest == inspect_folder(BUNDLED_FOLDER).digest


def test_a_hub_model_that_was_fetched_is_opened_without_a_network(
    hub: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = fetch_model(HubName(MODEL, COMMIT))
    _use_hub(monkeypatch, tmp_path / "cache", 9)
    assert fetch_model(HubName(MODEL, COMMIT)) == folder
    assert _open(str(folder)).card.digest == inspect_folder(BUNDLED_FOLDER).digest


def test_a_download_that_was_interrupted_is_continued(hub: None) -> None:
    folder = fetch_model(HubName(MODEL, COMMIT))
    (folder / "vae" / "config.json").unlink()
    assert fetch_model(HubName(MODEL, COMMIT)) == folder
    assert inspect_folder(folder).digest == inspect_folder(BUNDLED_FOLDER).digest


def test_a_hub_model_that_does_not_exist_is_one_sentence(hub: None) -> None:
    with pytest.raises(
        GeneratorUnavailable, match=rf"hub model 'no/such' at revision {COMMIT} cannot"
    ) as why:
        fetch_model(HubName("no/such", COMMIT))
    assert "\n" not in str(why.value)


@pytest.mark.parametrize("hub_is", ["closed", "mute"])
def test_a_hub_out_of_reach_is_one_sentence_within_the_time_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hub_is: str
) -> None:
    monkeypatch.setattr(hub_model, "HUB_TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        _use_hub(monkeypatch, tmp_path, mute.getsockname()[1] if hub_is == "mute" else 9)
        started = time.monotonic()
        with pytest.raises(GeneratorUnavailable, match=r"cannot be fetched .*give its folder instead") as why:
            fetch_model(HubName(MODEL, COMMIT))
        assert time.monotonic() - started < 5
    assert "\n" not in str(why.value)
