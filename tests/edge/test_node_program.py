"""The node as a program: a late seed, a taken port, a full disk and damaged files never end it unnoticed."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.bus import Link
from messaging.nats.broker import EmbeddedBroker
from messaging.nats.broker_config import site_config
from messaging.nats.bus import NatsBus
from messaging.nats.streams import prepare_site
from tests.support.release_fleet import SITE
from tests.support.trouble.node_folder import NodeFolder, run_edge
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker


@pytest.fixture
def node(tmp_path: Path) -> NodeFolder:
    return NodeFolder(tmp_path / "site")


async def _prepare(link: Link) -> None:
    bus = await NatsBus.connect(link)
    await prepare_site(bus, SITE, max_bytes=2**24)
    await bus.close()


def test_a_seed_file_that_comes_later_is_used_and_the_page_names_it_until_then(node: NodeFolder) -> None:
    config, keys = site_config(node.folder / "broker", SITE)
    seed = node.folder / "late.nk"
    with EmbeddedBroker(config) as broker:
        asyncio.run(_prepare(Link(broker.url, "gate", nkey_seed_path=str(keys.gate))))
        node.write_config(broker={"url": broker.url, "credentials": str(seed)})
        with node.running():
            wait_until(lambda: any(str(seed) in reason for reason in node.reasons()), 40.0)
            assert any(
                reason.startswith("outbox fails and is tried again") and "is missing" in reason
                for reason in node.reasons()
            )
            assert 'thread_failures_total{thread="outbox"}' in node.page("/metrics")[1]
            shutil.copy(keys.node, seed)
            wait_until(
                lambda: (
                    node.reasons()
                    == ["no model yet: the site waits for its first release", "camera yard gives no frames"]
                ),
                40.0,
            )
    log = node.log.read_text()
    assert "Traceback" not in log
    assert log.count("is missing") == 1
    assert "outbox works again" in log


def test_a_node_whose_seed_others_may_read_names_and_counts_it_and_reports(node: NodeFolder) -> None:
    config, keys = site_config(node.folder / "broker", SITE)
    keys.node.chmod(0o644)
    with EmbeddedBroker(config) as broker:
        asyncio.run(_prepare(Link(broker.url, "gate", nkey_seed_path=str(keys.gate))))
        node.write_config(broker={"url": broker.url, "credentials": str(keys.node)})
        with node.running():
            wait_until(lambda: node.page("/healthz")[0] == 200, 60.0)
            wait_until(lambda: not any("outbox" in reason for reason in node.reasons()), 60.0)
            assert "blindspot_edge_secrets_readable_by_others 1.0" in node.page("/metrics")[1]
    sentence = f"broker credentials: {keys.node} has mode 0644; others may read it: chmod 600 {keys.node}\n"
    assert node.log.read_text().count(sentence) == 1


@pytest.mark.parametrize("content", [b"", b"\0" * 58, b"SUAB"])
def test_a_damaged_seed_file_is_named_and_used_once_it_is_whole(node: NodeFolder, content: bytes) -> None:
    config, keys = site_config(node.folder / "broker", SITE)
    seed = node.folder / "node.nk"
    seed.write_bytes(content)
    with EmbeddedBroker(config) as broker:
        asyncio.run(_prepare(Link(broker.url, "gate", nkey_seed_path=str(keys.gate))))
        node.write_config(broker={"url": broker.url, "credentials": str(seed)})
        with node.running():
            wait_until(lambda: any(f"{seed} is not usable" in reason for reason in node.reasons()), 40.0)
            shutil.copy(keys.node, seed)
            wait_until(lambda: not any("outbox" in reason for reason in node.reasons()), 40.0)
    assert "Traceback" not in node.log.read_text()


def test_a_port_that_is_taken_ends_the_node_before_anything_starts(node: NodeFolder) -> None:
    node.write_config()
    with socket.create_server(("127.0.0.1", node.port)):
        done = run_edge("run", "-c", node.config)
    assert (done.returncode, done.stderr) == (
        1,
        f"error: page_port 127.0.0.1:{node.port}: Address already in use; choose another port or stop the "
        "program that uses it\n",
    )
    assert not node.data.exists()


def test_a_second_node_on_the_same_data_folder_is_refused(node: NodeFolder) -> None:
    node.write_config()
    with node.running():
        wait_until(lambda: node.page("/healthz")[0] == 200, 40.0)
        node.write_config(page_port=None)
        done = run_edge("run", "-c", node.config)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: another node runs on data folder {node.data}; stop it or choose another folder\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("trust.json", b"", "it is empty; enrol the site again"),
        ("trust.json", b'{"root": "", "director": {"key_id": "a", "public_hex": ""}}', "not a site's trust"),
        ("data/weights/state.json", b"", "is empty; restore it from a backup, or remove the folder"),
        ("data/weights/state.json", b"\0" * 400, "is empty; restore it from a backup, or remove the folder"),
        ("data/weights/state.json", b'{"active": {"dig', "is damaged"),
        ("data/weights/state.json", b"[1, 2]", "is damaged"),
    ],
)
def test_a_damaged_file_that_must_not_be_forgotten_stops_the_start(
    node: NodeFolder, name: str, content: bytes, sentence: str
) -> None:
    path = node.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    node.write_config()
    done = run_edge("run", "-c", node.config)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(path) in done.stderr
    assert sentence in done.stderr
    assert path.read_bytes() == content


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 13 MiB of its own; only the superuser can make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=13m", "tmpfs", str(folder)], check=False)
    if made.returncode:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return


def _played(journal: Path) -> int:
    lines = journal.read_text().splitlines()
    return sum(line.endswith(".png") and not line.startswith("?") for line in lines)


@pytest.mark.parametrize("speed", [1.0, None])
def test_a_disk_that_is_full_for_a_moment_ends_no_camera(
    node: NodeFolder, small_disk: Path, speed: float | None
) -> None:
    node.sign_model()
    camera = {"name": "yard", "source": str(node.images), "segments": True, "speed": speed}
    node.write_config(data=str(small_disk / "data"), cameras=[camera])
    journal = small_disk / "data" / "segments" / "yard.txt"
    with node.running():
        wait_until(lambda: node.frames() >= 1 and journal.exists(), 60.0)
        _fill(small_disk / "fill")
        for number in (2, 3, 4):
            node.add_image(f"000{number}.png")
            wait_until(lambda: node.frames() >= number, 20.0)  # noqa: B023
        (small_disk / "fill").unlink()
        node.add_image("0005.png")
        wait_until(lambda: node.frames() >= 5, 60.0)
        wait_until(lambda: _played(journal) == 5, 60.0)
    log = node.log.read_text()
    assert "Traceback" not in log
    assert "the list of played segments waits in memory" in log
    assert "the list of played segments is on disk again" in log


def test_a_read_only_data_folder_is_one_sentence(node: NodeFolder, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for data in (small_disk, small_disk / "data"):
        node.write_config(data=str(data))
        done = run_edge("run", "-c", node.config)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "Read-only file system; mount the volume writable or choose another folder" in done.stderr


def test_a_data_folder_that_is_a_file_or_a_dead_link_is_one_sentence(node: NodeFolder) -> None:
    (node.folder / "file").write_text("x")
    (node.folder / "link").symlink_to(node.folder / "absent" / "target")
    for name in ("file", "file/below", "link"):
        node.write_config(data=str(node.folder / name))
        done = run_edge("run", "-c", node.config)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert "Traceback" not in done.stderr


def test_no_secret_of_an_address_or_seed_is_in_the_log(node: NodeFolder) -> None:
    secret = "g3heim"
    sources = {
        "plain": f"rtsp://admin:{secret}@127.0.0.1:9/x",
        "query": f"http://127.0.0.1:9/cgi-bin/mjpg?user=admin&pwd={secret}",
        "path": f"rtsp://127.0.0.1:9/user=admin_password={secret}_channel=1.sdp",
    }
    node.sign_model()
    seed = node.folder / "node.nk"
    seed.write_text(f"SU{secret}")
    node.write_config(
        broker={"url": f"nats://user:{secret}@127.0.0.1:9", "credentials": str(seed)},
        cameras=[{"name": name, "source": source} for name, source in sources.items()],
    )
    with node.running():
        wait_until(lambda: len(node.reasons()) >= 4, 60.0)
        page = node.page("/readyz")[1]
    done = run_edge("doctor", "-c", node.config)
    assert done.returncode == 3
    shown = page + node.log.read_text() + done.stdout + done.stderr
    assert secret not in shown
    assert os.fsdecode(seed) in shown
