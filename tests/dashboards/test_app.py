"""The page's process waits for a cloud and ends when a stop is requested."""

import asyncio
from pathlib import Path

import pytest

from dashboards import app


def test_a_stop_ends_the_wait_for_a_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "POLL_S", 60.0)

    async def stopped_while_waiting() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, stop.set)
        await asyncio.wait_for(app.serve(tmp_path, host=app.LOOPBACK, port=0, stop=stop), 5.0)

    asyncio.run(stopped_while_waiting())
