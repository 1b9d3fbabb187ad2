"""The page's process waits for a cloud and ends when a stop is requested."""

import asyncio
import json
import socket
import time
from pathlib import Path

import pytest

from dashboards import app
from messaging.errors import ConfigurationError
from messaging.tls.certificate_authority import CertificateAuthority
from messaging.tls.connections import client_context


def test_a_stop_ends_the_wait_for_a_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "POLL_S", 60.0)

    async def stopped_while_waiting() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, stop.set)
        await asyncio.wait_for(app.serve(tmp_path, host=app.LOOPBACK, port=0, stop=stop), 5.0)

    asyncio.run(stopped_while_waiting())


def test_a_page_for_other_machines_without_a_certificate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"the page on 0\.0\.0\.0 .* give --certificate"):
        asyncio.run(app.serve(tmp_path, host="0.0.0.0", port=0, stop=asyncio.Event()))


def test_a_page_with_a_certificate_is_served_over_tls_and_takes_the_renewed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "CERTIFICATE_EVERY_S", 0.05)
    now = [time.time() - 31 * 86_400.0]
    authority = CertificateAuthority(tmp_path / "ca", clock=lambda: now[0], days=90.0)
    certificate = authority.server([])
    (tmp_path / "api.json").write_text(json.dumps({"url": "http://127.0.0.1:1"}))
    (tmp_path / "token").write_text("A" * 43)

    def served(port: int) -> bytes:
        """The certificate that the page shows."""
        context = client_context(authority.path.read_text())
        with socket.create_connection(("127.0.0.1", port), 5.0) as link:
            encrypted = context.wrap_socket(link, server_hostname="127.0.0.1")
            shown, version = encrypted.getpeercert(binary_form=True), encrypted.version()
            encrypted.close()
        assert version == "TLSv1.3"
        return shown or b""

    async def scenario() -> None:
        stop = asyncio.Event()
        page = asyncio.create_task(
            app.serve(tmp_path, host="127.0.0.1", port=0, stop=stop, certificate=(certificate, None))
        )
        told = ""
        while "the page is at https://127.0.0.1:" not in told:
            await asyncio.sleep(0.05)
            told += capsys.readouterr().out
        port = int(told.partition("/\n")[0].rpartition(":")[2])
        first = await asyncio.to_thread(served, port)
        now[0] = time.time()
        authority.server([])
        while await asyncio.to_thread(served, port) == first:
            await asyncio.sleep(0.05)
        stop.set()
        await page

    asyncio.run(asyncio.wait_for(scenario(), 40))
