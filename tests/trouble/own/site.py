"""Own examples of a site's programs: threads, doctor, folders, state files, secrets, settings, paths."""

import json
import os
import shutil
import time
from functools import partial
from typing import Any

from tests.trouble.bench import Bench, says
from tests.trouble.case import Case, add, case, need
from tests.trouble.node import RunningNode, node_document, site_folder, start_broker, write_yaml
from tests.trouble.parts import bundle, free_port, put_image, small_disk, taken_port

USB = [{"name": "yard", "source": "usb:7"}]


def _looping(bench: Bench) -> list[dict[str, Any]]:
    put_image(bench.folder / "images" / "cam_0001.jpg")
    return [{"name": "yard", "source": str(bench.folder / "images"), "loop": True}]


# B: threads
@case("B", "the broker starts after the node: readiness has it, then the link comes up")
def _broker_comes_late(bench: Bench) -> None:
    port = free_port()
    bench.run("blindspot-edge", "broker", "--site", "north", "--folder", bench.folder / "broker", "--prepare")
    seed = bench.folder / "broker" / "node.nk"
    link = {"url": f"nats://127.0.0.1:{port}", "credentials": str(seed)}
    node = RunningNode(bench, _looping(bench), broker=link)
    node.lives("yard", frames=3)
    time.sleep(8)
    need(not says(node.readyz(), [r"broker|outbox|report"]), f"readiness is silent: {node.readyz()}")
    start_broker(bench, port)
    node.wait(lambda: not says(node.readyz(), ['"ready": ?true']), 60, "readiness with the broker")
    node.stop()


@case("B", "the mirror folder comes late: readiness says no model, then frames are processed")
def _mirror_comes_late(bench: Bench) -> None:
    mirror = bench.folder / "mirror"
    node = RunningNode(bench, _looping(bench), mirror=str(mirror))
    code = node.program.ended(5)
    if code is not None:
        need(code == 1 and not says(node.program.text, ["mirror"]), f"no sentence: {node.program.tail()}")
        return
    need(not says(node.readyz(), ["model|mirror"]), f"readiness is silent: {node.readyz()}")
    shutil.copytree(site_folder(bench) / "mirror", mirror)
    node.lives("yard", frames=3)
    node.stop()


@case("B", "readiness of a healthy node with a broker is ready")
def _healthy_node_is_ready(bench: Bench) -> None:
    link = start_broker(bench, free_port())
    node = RunningNode(bench, _looping(bench), broker=link)
    node.lives("yard", frames=3)
    node.wait(lambda: not says(node.readyz(), ['"ready": ?true']), 20, "ready")
    node.stop()


@case("B", "the page of the dashboard ends with a sentence when its port is taken")
def _page_port_is_taken(bench: Bench) -> None:
    port = taken_port(bench)
    (bench.folder / "cloud").mkdir()
    (bench.folder / "cloud" / "api.json").write_text(json.dumps({"url": "http://127.0.0.1:9"}))
    (bench.folder / "cloud" / "token").write_text("x" * 43)
    command = ("--data", bench.folder / "cloud", "--port", port)
    bench.run("blindspot-page", *command, code=1, prints=[str(port)], timeout_s=30)


# F: folders and files of the operating system
def _sentence(bench: Bench, command: str, prints: tuple[str, ...]) -> None:
    (bench.folder / "file").write_text("a file\n")
    (bench.folder / "dir").mkdir()
    site = node_document(bench, USB)
    write_yaml(bench.folder / "data-is-a-file.yaml", site | {"data": str(bench.folder / "file")})
    write_yaml(bench.folder / "trust-is-a-folder.yaml", site | {"trust": str(bench.folder / "dir")})
    write_yaml(bench.folder / "long.yaml", site | {"data": str(bench.folder / ("n" * 300))})
    words = [word.replace("PORT", str(free_port())).replace("BUNDLE", str(bundle(bench)))
             for word in command.split()]  # fmt: skip
    bench.refuses(words[0], *words[1:], prints=prints)


for _name, _command, _prints in (
    ("settings-that-are-a-folder", "blindspot-edge config validate -c dir", ("dir", "file")),
    ("settings-that-are-missing", "blindspot-edge node -c none.yaml", (r"none\.yaml", "no such|not exist")),
    ("data-folder-is-a-file", "blindspot-edge node -c data-is-a-file.yaml", ("file", "folder|director")),
    ("data-folder-with-a-long-name", "blindspot-edge node -c long.yaml", ("nnnn", "name")),
    ("trust-is-a-folder", "blindspot-edge node -c trust-is-a-folder.yaml", ("dir", "file|director")),
    ("broker-folder-is-a-file", "blindspot-edge broker --site x --folder file --port PORT",
     ("file", "folder|director")),
    ("message-that-is-a-folder", "blindspot-edge message dir", ("dir", "file|director")),
    ("ledger-that-is-missing", "blindspot-edge ledger verify none", ("none", "no |not ")),
    ("replay-of-a-missing-video", "blindspot-edge replay none.mp4 --bundle BUNDLE", (r"none\.mp4",)),
    ("replay-with-a-missing-bundle", "blindspot-edge replay dir --bundle none.onnx", (r"none\.onnx",)),
    ("replay-with-a-folder-as-bundle", "blindspot-edge replay dir --bundle dir", ("dir",)),
):  # fmt: skip
    add(
        Case(
            f"F-{_name}",
            "F",
            f"`{_command}` is one sentence",
            partial(_sentence, command=_command, prints=_prints),
        )
    )


@case("F", "a gate whose mirror is on a read-only volume ends with a sentence")
def _gate_on_a_read_only_volume(bench: Bench) -> None:
    disk = small_disk(bench, 1, read_only=True)
    (bench.folder / "seed").write_text("x")
    document = {
        "site": "north", "site_url": "nats://127.0.0.1:9", "site_credentials": str(bench.folder / "seed"),
        "hub_url": "nats://127.0.0.1:9", "hub_credentials": str(bench.folder / "seed"),
        "trust": str(bench.folder / "trust.json"),
        "data_folder": str(bench.folder / "gate"), "mirror_folder": str(disk / "mirror"),
    }  # fmt: skip
    file = write_yaml(bench.folder / "gate.yaml", document)
    bench.refuses("blindspot-edge", "gate", "-c", file, prints=("mirror", "read-only"))


# G: doctor
def _doctor(bench: Bench, changes: dict[str, Any], prints: tuple[str, ...]) -> None:
    (bench.folder / "dir").mkdir()
    (bench.folder / "cut.onnx").write_bytes(bundle(bench).read_bytes()[:900])
    (bench.folder / "trust.json").write_text('{"signed": {}}')
    prepare = ("broker", "--site", "north", "--folder", bench.folder / "seeds", "--prepare")
    bench.run("blindspot-edge", *prepare)
    (bench.folder / "open.nk").write_bytes((bench.folder / "seeds" / "node.nk").read_bytes())
    (bench.folder / "open.nk").chmod(0o644)
    here = {name: json.loads(json.dumps(value).replace("HERE", str(bench.folder)))
            for name, value in changes.items()}  # fmt: skip
    cameras = here.pop("cameras", _looping(bench))
    file = write_yaml(bench.folder / "node.yaml", node_document(bench, cameras, **here))
    bench.refuses("blindspot-edge", "doctor", "-c", file, code=3, prints=prints)


for _name, _changes, _prints in (
    ("camera-folder-is-missing", {"cameras": [{"name": "yard", "source": "HERE/none"}]}, ("yard", "none")),
    ("camera-folder-is-empty", {"cameras": [{"name": "yard", "source": "HERE/dir"}]}, ("yard", "dir")),
    ("teacher-is-a-cut-bundle", {"teacher": {"bundle": "HERE/cut.onnx"}}, (r"cut\.onnx",)),
    ("teacher-is-a-folder", {"teacher": {"bundle": "HERE/dir"}}, ("dir",)),
    ("trust-is-no-trust-file", {"trust": "HERE/trust.json"}, (r"trust\.json",)),
    ("seed-that-others-may-read", {"broker": {"url": "nats://127.0.0.1:9", "credentials": "HERE/open.nk"}},
     (r"open\.nk", "0644|chmod|others")),
    ("mirror-is-missing", {"mirror": "HERE/no-mirror"}, ("no-mirror",)),
    ("data-folder-is-a-file", {"data": "HERE/cut.onnx"}, (r"cut\.onnx", "folder|director")),
):  # fmt: skip
    add(
        Case(
            f"G-doctor-{_name}", "G", "the doctor of a site finds it, exit code 3",
            partial(_doctor, changes=_changes, prints=_prints),
        )
    )  # fmt: skip


@case("G", "the doctor finds nothing wrong with a site that is right, exit code 0")
def _doctor_of_a_good_site(bench: Bench) -> None:
    link = start_broker(bench, free_port())
    file = write_yaml(bench.folder / "node.yaml", node_document(bench, _looping(bench), broker=link))
    bench.run("blindspot-edge", "doctor", "-c", file, code=0)


@case("G", "a broker on a port that another program has does not claim to listen")
def _broker_on_a_taken_port(bench: Bench) -> None:
    port = taken_port(bench)
    command = ("broker", "--site", "x", "--folder", bench.folder / "broker", "--port", port)
    result = bench.refuses("blindspot-edge", *command, prints=(str(port),))
    need(says(result.text, ["listens on"]), f"success is announced: {result.tail()}")


# I: state files
STATE = {"zero-bytes": b"", "zeros": b"\0" * 512, "half-a-document": b'{"camera": "yard", "releas'}


def _state(bench: Bench, where: str, content: bytes, may_begin_again: bool) -> None:
    cameras = _looping(bench)
    node = RunningNode(bench, cameras)
    node.lives("yard", frames=3)
    node.stop()
    found = sorted((bench.folder / "node").glob(where)) or [bench.folder / "node" / where]
    found[0].parent.mkdir(parents=True, exist_ok=True)
    found[0].write_bytes(content)
    again = RunningNode(bench, cameras)
    code = again.program.ended(4)
    if code is not None:
        need(code == 1 and not says(again.program.text, [found[0].name]), f"{code}: {again.program.tail()}")
        return
    again.lives("yard", frames=3)
    refused = not says(again.program.text, [f"{found[0].parent.name}.*{found[0].name}"])
    need(may_begin_again or refused, f"{found[0].name} is believed: {again.program.tail()}")
    again.stop()


for _name, _content in STATE.items():
    for _where, _again in (("privacy/yard.json", False), ("hazards/yard.json", True)):
        add(
            Case(
                f"I-{_where.split('/')[0]}-file-of-{_name}", "I",
                "begun again where nothing is lost; otherwise the file is named and never believed",
                partial(_state, where=_where, content=_content, may_begin_again=_again),
            )
        )  # fmt: skip


@case("I", "an emptied seed of the broker's user is made again or refused by name, never believed")
def _emptied_seed(bench: Bench) -> None:
    folder = bench.folder / "broker"
    bench.run("blindspot-edge", "broker", "--site", "x", "--folder", folder, "--prepare")
    (folder / "node.nk").write_bytes(b"")
    result = bench.run("blindspot-edge", "broker", "--site", "x", "--folder", folder, "--prepare", code=None)
    made = result.code == 0 and (folder / "node.nk").stat().st_size > 50
    need(made or (result.code == 1 and not says(result.text, [r"node\.nk"])), f"believed: {result.tail()}")


# J: secrets
@case("J", "an address of a scheme that is not read is refused without its password")
def _refused_address(bench: Bench) -> None:
    bench.secrets.add("geheim-51")
    cameras = [{"name": "yard", "source": "ftp://admin:geheim-51@127.0.0.1/video?key=geheim-51"}]
    file = write_yaml(bench.folder / "node.yaml", node_document(bench, cameras))
    bench.refuses("blindspot-edge", "config", "validate", "-c", file, prints=("yard|line", "ftp|source"))


@case("J", "passwords of a broker's address, a stream key and a token are in nothing that a node shows")
def _addresses_of_other_kinds(bench: Bench) -> None:
    bench.secrets.add("geheim-52")
    cameras = [
        {"name": "key", "source": "rtmp://127.0.0.1:9/live/geheim-52"},
        {"name": "token", "source": "https://127.0.0.1:9/mjpg?token=geheim-52"},
        {"name": "upper", "source": "RTSP://127.0.0.1:9/user=admin&password=geheim-52"},
        {"name": "at", "source": "rtsp://admin:p@geheim-52@127.0.0.1:9/x"},
    ]
    link = {"url": "nats://user:geheim-52@127.0.0.1:9"}
    node = RunningNode(bench, cameras, broker=link)
    node.wait(lambda: "token" in node.readyz() and "upper" in node.readyz(), 30, "cameras in /readyz")
    time.sleep(8)
    node.metrics()
    node.stop()
    for command in (("config", "validate"), ("config", "show"), ("doctor",)):
        bench.run("blindspot-edge", *command, "-c", bench.folder / "node.yaml", code=None)


@case("J", "a password beside a mistake is not in the sentence that names the mistake")
def _mistake_beside_a_password(bench: Bench) -> None:
    bench.secrets.add("geheim-53")
    camera = {"name": "yard", "source": "rtsp://admin:geheim-53@127.0.0.1/x", "speed": -1}
    document = node_document(bench, [camera], sitte="north")
    file = write_yaml(bench.folder / "node.yaml", document)
    bench.refuses("blindspot-edge", "config", "validate", "-c", file, prints=("sitte|speed",))


# O: settings lost in silence
TWICE = "site: north\ndata: node\nmirror: mirror\ntrust: trust.json\n"


def _twice(bench: Bench, text: str, prints: tuple[str, ...]) -> None:
    file = bench.folder / "node.yaml"
    file.write_text(TWICE + text)
    bench.refuses("blindspot-edge", "config", "validate", "-c", file, prints=prints)


for _name, _text, _prints in (
    ("in-a-camera", "cameras:\n  - name: a\n    source: usb:0\n    source: usb:1\n", ("source", "7", "8")),
    ("in-braces", "cameras: [{name: a, source: usb:0, name: b}]\n", ("name", "5")),
    ("in-a-section", "broker:\n  url: nats://a\n  url: nats://b\ncameras: [{name: a, source: usb:0}]\n",
     ("url", "6", "7")),
    ("in-another-document", "cameras: [{name: a, source: usb:0}]\n---\npage_port: 1\n", ("document|line 6",)),
):  # fmt: skip
    add(
        Case(f"O-key-twice-{_name}", "O", "it is refused with the key and both lines",
             partial(_twice, text=_text, prints=_prints))
    )  # fmt: skip


# E: encodings of settings
def _encoded_settings(bench: Bench, encoding: str, prints: tuple[str, ...]) -> None:
    file = bench.folder / "node.yaml"
    file.write_bytes((TWICE + "# Brücke\ncameras: [{name: a, source: usb:0}]\n").encode(encoding))
    if prints:
        bench.refuses("blindspot-edge", "config", "validate", "-c", file, prints=prints)
    else:
        bench.run("blindspot-edge", "config", "validate", "-c", file)


for _encoding, _prints in (
    ("utf-16", (r"node\.yaml", "UTF-16", "UTF-8")),
    ("cp1252", (r"node\.yaml", "line 5", "UTF-8")),
    ("utf-8-sig", ()),
):
    add(
        Case(f"E-settings-in-{_encoding}", "E", "a byte-order mark is accepted, others are one sentence",
             partial(_encoded_settings, encoding=_encoding, prints=_prints))
    )  # fmt: skip


# P and Q: paths
def _site_in(bench: Bench, name: str) -> None:
    base = bench.folder / "base" / name
    put_image(base / "images" / "cam_0001.jpg")
    camera = {"name": "yard", "source": str(base / "images"), "loop": True}
    node = RunningNode(bench, [camera], data=str(base / "node"))
    node.lives("yard", frames=3)
    node.stop()
    port = free_port()
    broker = bench.start(
        "blindspot-edge", "broker", "--site", "x", "--folder", base / "broker", "--port", port
    )
    broker.wait_for("listens on")
    broker.wait((base / "broker" / "store").is_dir, 10, f"store in {base}/broker")
    broker.stop()
    need([path.name for path in (bench.folder / "base").iterdir()] == [name], "other folders were made")


for _what, _name in (("quotes", 'it\'s "x"'), ("hash-and-percent", "a#1 50%d"), ("star-and-brackets", "[*]")):
    add(
        Case(f"P-site-in-a-folder-with-{_what}", "P", f"node and broker live in {_name} and nowhere else",
             partial(_site_in, name=_name))
    )  # fmt: skip


@case("Q", "brackets in paths of doctor, replay, message and ledger are printed as they are")
def _brackets_in_edge_paths(bench: Bench) -> None:
    odd = bench.folder / "[bold]x[/red]"
    odd.mkdir(parents=True)
    commands: tuple[tuple[object, ...], ...] = (
        ("doctor", "-c", odd / "none.yaml"),
        ("replay", odd / "none.mp4", "--bundle", bundle(bench)),
        ("message", odd / "none"),
        ("ledger", "verify", odd / "none"),
        ("config", "validate", "-c", odd / "none.yaml"),
    )
    for command in commands:
        result = bench.run("blindspot-edge", *command, code=None)
        need(result.code in (1, 3), f"`{result.command}` exited with {result.code}: {result.tail()}")
        need("[bold]x[/red]" in result.text, f"`{result.command}` swallows brackets: {result.tail()}")


@case("H", "a node leaves foreign files in its data folder as they are")
def _foreign_files_in_the_data_folder(bench: Bench) -> None:
    data = bench.plant(bench.folder / "node")
    for name in ("outbox", "weights", "privacy", "segments"):
        (data / name).mkdir(exist_ok=True)
        (data / name / "notes.txt").write_text("mine")
    bench.guard(data)
    node = RunningNode(bench, _looping(bench), data=str(data))
    node.lives("yard", frames=3)
    node.stop()
    os.sync()
