"""Handed inputs of a site's programs: settings, addresses, doctor, credentials, full disk, brackets."""

import contextlib
import shutil
import subprocess
import sys
import time
from functools import partial

import yaml

from tests.trouble.bench import ROOT, Bench, environment, says
from tests.trouble.case import Case, add, case, need
from tests.trouble.node import RunningNode, node_document, site_folder, start_broker, write_yaml
from tests.trouble.parts import free_port, handed_folder, put_image, small_disk, taken_port

SECRET = "geheim"


# 11: settings files
def _yaml(bench: Bench, name: str, prints: tuple[str, ...]) -> None:
    file = handed_folder(bench, "case11_yaml_traps.py") / f"{name}.yaml"
    if prints:
        bench.refuses("blindspot-edge", "config", "validate", "-c", file, prints=(rf"{name}\.yaml", *prints))
    else:
        bench.run("blindspot-edge", "config", "validate", "-c", file)


for _kind, _name, _prints in (
    ("O", "duplicate_key", ("cameras", "5", "7")),
    ("O", "duplicate_scalar", ("page_port", "7", "8")),
    ("E", "bom", ()),
    ("O", "tab", ("line 6", "tab|blank|space")),
    ("O", "upper_case_name", ("cameras", "name", "line 6")),
    ("O", "long_name", ("cameras", "name", "line 6")),
    ("O", "no_cameras", ("cameras", "line 5|at least")),
    ("O", "cameras_mapping", ("cameras", "line 5|line 6|list")),
    ("J", "secret_file", ("CAM_PW",)),
    ("O", "numeric_port_string", ("PORT",)),
    ("O", "good", ()),
):
    add(
        Case(
            f"{_kind}-handed-11-{_name.replace('_', '-')}",
            _kind,
            f"settings `{_name}`: {f'one sentence with {_prints}' if _prints else 'fine, nothing lost'}",
            partial(_yaml, name=_name, prints=_prints),
            "case11_yaml_traps.py",
        )
    )


@case("J", "no password of a camera's address is in log, metrics, readiness, doctor or settings shown",
      handed="case17_camera_addresses.py")  # fmt: skip
def _handed_17_camera_addresses(bench: Bench) -> None:
    bench.secrets.add(SECRET)
    bench.handed("case17_camera_addresses.py", bench.folder, site_folder(bench))
    given = yaml.safe_load((bench.folder / "node.yaml").read_text())
    node = RunningNode(bench, given["cameras"])
    node.wait(lambda: "path" in node.readyz() and "query" in node.readyz(), 30, "cameras in /readyz")
    time.sleep(6)
    node.metrics()
    node.stop()
    for command in (("config", "validate"), ("config", "show"), ("doctor",)):
        bench.run("blindspot-edge", *command, "-c", bench.folder / "node.yaml", code=None)


@case("G", "doctor opens what is named: trust, seed, teacher and camera are faults, exit code 3",
      handed="case21_doctor_says_ok.py")  # fmt: skip
def _handed_21_doctor(bench: Bench) -> None:
    bench.handed("case21_doctor_says_ok.py", bench.folder / "in")
    found = bench.refuses(
        "blindspot-edge", "doctor", "-c", bench.folder / "in" / "node.yaml", code=3,
        prints=(r"trust\.json.{0,12}empty", r"broker\.nk", r"teacher\.onnx", r"/nonexistent/clip\.mp4"),
    )  # fmt: skip
    ok = [line for line in found.text.splitlines() if line.strip().startswith("ok")]
    need(not says(" ".join(found.text.split()), ["north"]) and not any("broker.nk" in line for line in ok),
         f"faults are called ok: {ok}")  # fmt: skip


@case("B", "a seed file that comes late: the node tries again or ends with a sentence; readiness has it",
      handed="case29_credentials_come_late.sh")  # fmt: skip
def _handed_29_seed_comes_late(bench: Bench) -> None:
    link = start_broker(bench, free_port())
    seed, late = link["credentials"], bench.folder / "broker.nk"
    link["credentials"] = str(late)
    put_image(bench.folder / "images" / "cam_0001.jpg")
    cameras = [{"name": "yard", "source": str(bench.folder / "images"), "loop": True}]
    node = RunningNode(bench, cameras, broker=link)
    code = node.program.ended(8)
    if code is not None:
        need(
            code == 1 and not says(node.program.text, [r"broker\.nk"]),
            f"ended with {code}: {node.program.tail()}",
        )
        return
    need(not says(node.readyz(), [r"broker|outbox|credential"]), f"readiness is silent: {node.readyz()}")
    shutil.copy(seed, late)
    node.wait(lambda: not says(node.readyz(), ['"ready": ?true']), 60, "readiness with the seed file")
    node.stop()


@case("B", "the page's port is taken: the node ends with a sentence, or tries again and says so",
      handed="case29_credentials_come_late.sh")  # fmt: skip
def _handed_29_port_taken(bench: Bench) -> None:
    port = taken_port(bench)
    put_image(bench.folder / "images" / "cam_0001.jpg")
    cameras = [{"name": "yard", "source": str(bench.folder / "images"), "loop": True}]
    node = RunningNode(bench, cameras, page_port=port)
    code = node.program.ended(15)
    need(not says(node.program.text, [str(port), "port"]), f"the port is not named: {node.program.tail()}")
    need(code in (None, 1), f"exit code {code}: {node.program.tail()}")


@case("A", "a disk that is full for seconds: both cameras pause and continue, one line each, no traceback",
      handed="case18_disk_full.sh")  # fmt: skip
def _handed_18_disk_full(bench: Bench) -> None:
    disk = small_disk(bench, 13)
    folder = bench.folder / "recorder"
    folder.mkdir()
    cameras = [
        {"name": "paced", "source": str(folder), "segments": True},
        {"name": "every", "source": str(folder), "segments": True, "speed": None},
    ]
    node = RunningNode(bench, cameras, data=str(disk / "node"))
    put_image(folder / "cam_0001.jpg")
    node.lives("paced", frames=1)
    node.lives("every", frames=1)
    with contextlib.suppress(OSError):
        (disk / "fill").write_bytes(b"\0" * 14 * 2**20)
    put_image(folder / "cam_0002.jpg", seed=2)
    time.sleep(5)
    (disk / "fill").unlink()
    for number in (3, 4, 5, 6):
        put_image(folder / f"cam_{number:04d}.jpg", seed=number)
        time.sleep(1)
    node.lives("paced", frames=5, timeout_s=60)
    node.lives("every", frames=5, timeout_s=60)
    node.stop()


@case("Q", "brackets in paths and messages of blindspot-edge are printed as they are",
      handed="case33_brackets.sh")  # fmt: skip
def _handed_33_brackets(bench: Bench) -> None:
    document = node_document(bench, [{"name": "north", "source": "usb:0"}])
    for name in ("[north]", "[/x]"):
        file = write_yaml(bench.folder / name / "n.yaml", document)
        result = bench.run("blindspot-edge", "config", "validate", "-c", file)
        need(str(file) in result.text, f"the path is not printed as it is: {result.tail()}")
    ledger = bench.run("blindspot-edge", "ledger", "verify", bench.folder / "led[ger]", code=None)
    need(ledger.code == 0 or "led[ger]" in ledger.text, f"the path is not printed: {ledger.tail()}")
    document["cameras"][0]["name"] = "North"
    upper = write_yaml(bench.folder / "upper.yaml", document)
    result = bench.refuses(
        "blindspot-edge", "config", "validate", "-c", upper, prints=("name", "North|lower|small")
    )
    need("^{0,39}" not in result.text, f"a part of the pattern is swallowed: {result.tail()}")


# 32: a read-only volume
def _read_only(bench: Bench, command: tuple[str, ...]) -> None:
    disk = small_disk(bench, 1, read_only=True)
    put_image(bench.folder / "set" / "images" / "a_0001.jpg")
    (bench.folder / "set" / "classes.json").write_text('["fire"]')
    cameras = [{"name": "a", "source": "usb:0"}]
    write_yaml(bench.folder / "node.yaml", node_document(bench, cameras, data=str(disk / "node")))
    program, *arguments = (part.replace("PORT", str(free_port())) for part in command)
    result = bench.run(program, *arguments, code=1, prints=["disk", "read-only"], timeout_s=60)
    errors = [line for line in result.text.splitlines() if "read-only" in line.lower()]
    need(len(errors) == 1, f"not one sentence but {len(errors)}: {result.tail()}")


for _name, _line in (
    ("init", "blindspot init disk/x"),
    ("data-add", "blindspot data add set --role background --data disk/data"),
    ("db-migrate", "blindspot db migrate --data disk/data"),
    ("cloud-run", "blindspot cloud run --data disk/data"),
    ("broker", "blindspot-edge broker --site x --folder disk/broker --port PORT"),
    ("node", "blindspot-edge node -c node.yaml"),
):
    add(
        Case(
            f"F-handed-32-read-only-{_name}",
            "F",
            f"`{_line}` on a read-only volume is one sentence with the path and the reason",
            partial(_read_only, command=tuple(_line.split())),
            "case32_unwritable_folder.sh",
        )
    )


@case("F", "a read-only volume: both doctors find it, exit code 3", handed="case32_unwritable_folder.sh")
def _handed_32_read_only_doctors(bench: Bench) -> None:
    disk = small_disk(bench, 1, read_only=True)
    cameras = [{"name": "a", "source": "usb:0"}]
    file = write_yaml(bench.folder / "node.yaml", node_document(bench, cameras, data=str(disk / "node")))
    for program, *arguments in (
        ("blindspot-edge", "doctor", "-c", str(file)),
        ("blindspot", "doctor", "--data", str(disk / "data")),
    ):
        bench.refuses(program, *arguments, code=3, prints=("read-only", "disk"))


@case("F", "a message that is not there is one sentence", handed="case32_unwritable_folder.sh")
def _handed_32_message_of_nothing(bench: Bench) -> None:
    bench.refuses("blindspot-edge", "message", bench.folder / "none", prints=("none", "no such file|cannot"))


# Handed scripts that use the product by its names of before the packages moved
OLD_NAMES = """
import runpy, sys
import edge.vision.onnx_detector as detector
sys.modules["edge.onnx_detector"] = detector
import messaging.taxonomy as taxonomy
taxonomy.SceneCondition = taxonomy.Condition
import synth.street as street
draw_still = street.draw_still
street.draw_still = lambda *, scene, **given: draw_still(condition=scene, **given)
path = sys.argv.pop(1)
sys.argv = [path, *sys.argv[1:]]
runpy.run_path(path, run_name="__main__")
"""


def run_with_old_names(bench: Bench, script: str, *arguments: object) -> None:
    """Run a handed script under the names that modules had when it was written; it only makes files."""
    need(bench.inputs is not None, "the handed inputs are not there")
    path = str((bench.inputs or ROOT) / script)
    done = subprocess.run(
        [sys.executable, "-c", OLD_NAMES, path, *map(str, arguments)], cwd=ROOT, text=True,
        env=environment(bench.folder), capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{script} made no input: {done.stderr[-500:]}")
