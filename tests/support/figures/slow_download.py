"""`python -m tests.support.figures.slow_download`: what a model costs on a slow link that is cut often.

The link has 64 kB a second and a delay of 300 ms plus or minus 200. A gate's connection copies a model of
6 MB from a real hub; each time that another ninth has arrived all connections are reset.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from messaging.blobs import digest_of
from messaging.errors import WireError
from messaging.figures import Figure
from messaging.nats.blobs import NatsBlobs
from messaging.nats.bus import NatsBus
from tests.support.brokers import Hub, running_hub
from tests.support.faults.tcp_proxy import TcpFaults, TcpProxy, tcp_proxy
from tests.support.figures.writing import written

MODEL_BYTES = 6 * 2**20
CUTS = 8
SLOW = TcpFaults(delay_s=0.3, jitter_s=0.2, bytes_per_s=64_000.0)


async def downloaded(hub: Hub, proxy: TcpProxy, *, cuts: int) -> bytes:
    """A model of 6 MB by way of the proxy, whose connections are cut on the way."""
    cloud = await NatsBus.connect(hub.cloud_link())
    stored = NatsBlobs(cloud)
    await stored.ensure()
    digest = await stored.put(bytes(range(256)) * (MODEL_BYTES // 256))
    await cloud.close()
    gate = await NatsBus.connect(hub.gate_link("s1", port=proxy.port))
    targets = NatsBlobs(gate)
    cutting = asyncio.create_task(_cut(proxy, cuts))
    while True:
        try:
            data = await targets.get(digest, max_bytes=2 * MODEL_BYTES)
            break
        except WireError:
            await asyncio.sleep(0.2)
    cutting.cancel()
    await gate.close()
    if digest_of(data) != digest:
        raise AssertionError("the model arrived damaged")
    return data


async def _cut(proxy: TcpProxy, cuts: int) -> None:
    for n in range(1, cuts + 1):
        while proxy.to_client_bytes < n * MODEL_BYTES / (cuts + 1):
            await asyncio.sleep(0.005)
        proxy.cut()


def main() -> int:
    """Entry of the process; exit code 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.figures.slow_download", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder, running_hub(Path(folder)) as hub:
        hub.enrol("s1")
        with tcp_proxy(hub.port) as proxy:
            proxy.faults = SLOW
            began_s = time.monotonic()
            data = asyncio.run(downloaded(hub, proxy, cuts=CUTS))
            taken_s = time.monotonic() - began_s
            ratio = proxy.to_client_bytes / len(data)
    found = [
        Figure("model_download_bytes_ratio", round(ratio, 3), "bytes on the wire by bytes", "<= 1.2", n=CUTS),
        Figure("model_download_s", round(taken_s, 1), "s", "<= 300", n=CUTS),
    ]
    return written(out, found)


if __name__ == "__main__":
    sys.exit(main())
