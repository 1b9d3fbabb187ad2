"""Own examples of the cloud: output folders, state files, doctor, settings, secrets, paths, help."""

import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from tests.trouble.bench import COMMANDS, ROOT, Bench, environment, says
from tests.trouble.case import Case, add, case, need
from tests.trouble.cloud import RunningCloud
from tests.trouble.handed.data import counts, data_add, refused
from tests.trouble.node import write_yaml
from tests.trouble.parts import free_port, labelled, made_once, put_image, small_disk, taken_port

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"


# H: folders that are not ours
def _demo_out(bench: Bench, command: str, prints: tuple[str, ...]) -> None:
    put_image(bench.folder / "mine" / "real.jpg")
    bench.plant(bench.folder / "mine")
    (bench.folder / "file").write_text("a file\n")
    (bench.folder / "link").symlink_to(bench.folder / "mine")
    put_image(bench.folder / "footage" / "cam_0001.jpg")
    bench.guard(bench.folder / "footage")
    words = command.split()
    result = bench.run(words[0], *words[1:], code=None, timeout_s=90)
    need(result.code in (1, 2) and not (missing := says(result.text, prints)),
         f"not refused ({missing if result.code else result.code}): {result.tail()}")  # fmt: skip
    need(not bench.files_lost(), f"removed: {bench.files_lost()}")
    need((bench.folder / "file").read_text() == "a file\n", "the file was replaced")


for _name, _command, _prints in (
    ("with-foreign-files", "blindspot demo --tiny --out mine", ("mine", "empty|earlier")),
    ("that-is-this-folder", "blindspot demo --tiny --out .", ("empty|earlier",)),
    ("that-is-a-file", "blindspot demo --tiny --out file", ("file", "folder|director")),
    ("that-is-a-link", "blindspot demo --tiny --out link", ("link|mine", "empty|earlier")),
    ("that-is-the-source", "blindspot demo --tiny --out footage --source footage", ("footage",)),
    ("that-has-the-source-by-a-link", "blindspot demo --tiny --out mine --source link/real.jpg",
     ("mine", "empty|earlier|inside")),
    ("of-the-real-demo",
     "blindspot demo-real --data footage --weights footage --out mine", ("mine|footage",)),
    ("whose-source-is-missing", "blindspot demo --tiny --out new --source none.mp4", (r"none\.mp4",)),
):  # fmt: skip
    add(
        Case(
            f"H-demo-out-{_name}", "H", "it is refused with a sentence and nothing is removed",
            partial(_demo_out, command=_command, prints=_prints),
        )
    )  # fmt: skip


# I: state files of the cloud's data folder
def _cloud_state(bench: Bench, name: str, content: bytes) -> None:
    """The file is made again, or the cloud refuses to start and names it; it is never believed."""
    data = bench.folder / "cloud"
    _copy_of_a_used_folder(bench, data)
    path = data / name
    need(path.is_file(), f"the cloud writes no {name}")
    path.write_bytes(content)
    cloud = RunningCloud(bench)
    cloud.program.wait(lambda: _started(data) or not cloud.program.running(), 90, "start or end")
    if not cloud.program.running():
        code = cloud.program.process.returncode
        named = not says(cloud.program.text, [re.escape(Path(name).name)])
        need(code == 1 and named, f"ended with {code} without naming {name}: {cloud.program.tail()}")
        return
    cloud.ready()
    need(path.read_bytes() != content, f"{name} is believed")
    cloud.stop()


def _started(data: Path) -> bool:
    return (data / "api.json").exists()


def _copy_of_a_used_folder(bench: Bench, data: Path) -> None:
    """A data folder of a cloud that ran before; made once, then copied."""
    used = bench.shared / "used-cloud"
    with made_once(used) as missing:
        if missing:
            maker = RunningCloud(bench, data=bench.folder / "first").ready()
            maker.stop()
            shutil.copytree(bench.folder / "first", used, ignore=shutil.ignore_patterns("api.json", "*.sock"))
    shutil.copytree(used, data)


for _name, _what, _content in (
    ("token", "blanks", b" \n"),
    ("token", "one-character", b"x"),
    ("executor_id", "zero-bytes", b""),
    ("hub/port", "zero-bytes", b""),
    ("store.sqlite", "text", b"this is no database, but it is not empty either\n" * 40),
):
    add(
        Case(
            f"I-cloud-{_name.replace('/', '-')}-of-{_what}", "I",
            "it is made again where nothing is lost, otherwise the cloud refuses to start and names it",
            partial(_cloud_state, name=_name, content=_content),
        )
    )  # fmt: skip


@case("I", "a dataset's card that was emptied is named by `data list`, never a traceback")
def _emptied_dataset_card(bench: Bench) -> None:
    need(counts(data_add(bench, labelled(bench.folder / "set")), "1 images, 1 boxes"), "not added")
    card = next(bench.folder.glob("data/datasets/*/*/dataset.json"))
    card.write_bytes(b"")
    result = bench.run("blindspot", "data", "list", "--data", bench.folder / "data", code=None)
    need(not says(result.text, [r"dataset\.json"]), f"not named: {result.code}: {result.tail()}")


@case("I", "an emptied api.json: a command says that no cloud runs there, exit code 3")
def _emptied_address(bench: Bench) -> None:
    data = bench.folder / "cloud"
    data.mkdir()
    (data / "api.json").write_bytes(b"")
    (data / "token").write_text("x" * 43)
    bench.refuses("blindspot", "sites", "list", "--data", data, code=3, prints=("cloud|api.json",))


# G: doctor
def _doctor(bench: Bench, settings: dict[str, Any], prints: tuple[str, ...]) -> None:
    (bench.folder / "pointer.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    )
    (bench.folder / "file").write_text("a file\n")
    document = {"data": str(bench.folder / "cloud"), "api": {"port": 0}} | json.loads(
        json.dumps(settings).replace("HERE", str(bench.folder)).replace('"PORT"', str(taken_port(bench)))
    )
    file = write_yaml(bench.folder / "cloud.yaml", document)
    bench.refuses("blindspot", "doctor", "--config", file, code=3, prints=prints)


for _name, _settings, _prints in (
    ("weights-are-missing", {"starting_weights": "HERE/none.safetensors"}, (r"none\.safetensors",)),
    ("weights-are-a-pointer", {"starting_weights": "HERE/pointer.safetensors"}, (r"pointer\.safetensors",)),
    ("generator-is-missing", {"synthesis": {"generator": "HERE/no-generator"}}, ("no-generator",)),
    ("judge-is-missing", {"synthesis": {"reference_weights": "HERE/none.safetensors"}},
     (r"none\.safetensors",)),
    ("data-folder-is-a-file", {"data": "HERE/file"}, ("file", "folder|director")),
    ("port-is-taken", {"api": {"port": "PORT"}}, ("port|in use",)),
):  # fmt: skip
    add(
        Case(
            f"G-cloud-doctor-{_name}", "G", "`blindspot doctor --config` opens it and finds it, exit code 3",
            partial(_doctor, settings=_settings, prints=_prints),
        )
    )  # fmt: skip


# D: refused on entry
def _cloud_refuses(bench: Bench, settings: dict[str, Any], prints: tuple[str, ...]) -> None:
    (bench.folder / "pointer.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    )
    here = json.loads(json.dumps(settings).replace("HERE", str(bench.folder)))
    cloud = RunningCloud(bench, **here)
    code = cloud.program.ended(60)
    need(code == 1, f"exit code {code}: {cloud.program.tail()}")
    need(not (missing := says(cloud.program.text, prints)), f"lacks {missing}: {cloud.program.tail()}")


for _name, _settings, _prints in (
    ("weights-that-are-a-pointer", {"starting_weights": "HERE/pointer.safetensors"},
     (r"pointer\.safetensors",)),
    ("weights-that-are-missing", {"starting_weights": "HERE/none.safetensors"}, (r"none\.safetensors",)),
):  # fmt: skip
    add(
        Case(
            f"D-cloud-with-{_name}", "D", "`cloud run` refuses at start what a stage would hours later",
            partial(_cloud_refuses, settings=_settings, prints=_prints),
        )
    )  # fmt: skip


# F: the operating system
@case("F", "commands of the cloud on files where folders are wanted are one sentence each")
def _files_where_folders_are_wanted(bench: Bench) -> None:
    (bench.folder / "file").write_text("a file\n")
    labelled(bench.folder / "set")
    for line in (
        "init file", "data add set --role base --data file", "db migrate --data file",
        "cloud run --data file",
        "config validate file/x.yaml", "ledger verify file", "message file/x",
    ):  # fmt: skip
        bench.refuses("blindspot", *line.split(), prints=("file",))


@case("F", "`keys rotate` on a read-only data folder is one sentence")
def _rotate_on_a_read_only_folder(bench: Bench) -> None:
    disk = small_disk(bench, 1, read_only=True)
    bench.refuses("blindspot", "keys", "rotate", "targets", "--data", disk / "data", prints=("disk",))


# J: secrets
@case("J", "the password of a database that does not answer is not shown")
def _database_password(bench: Bench) -> None:
    bench.secrets.add("geheim-61")
    url = "postgresql://blind:geheim-61@127.0.0.1:9/spot"
    file = write_yaml(bench.folder / "cloud.yaml", {"data": "cloud", "store": {"url": url}})
    bench.refuses("blindspot", "db", "migrate", "--config", file, prints=("127.0.0.1",))
    for command in (("config", "show", "--config", file), ("config", "validate", file)):
        bench.run("blindspot", *command)
    bench.run("blindspot", "doctor", "--config", file, code=None)


@case("J", "the password of the demo's footage is not shown")
def _demo_source_password(bench: Bench) -> None:
    bench.secrets.add("geheim-62")
    source = "ftp://admin:geheim-62@127.0.0.1:9/video"
    result = bench.run(
        "blindspot", "demo", "--tiny", "--out", "out", "--source", source, code=None, timeout_s=150
    )
    need(result.code in (1, 2), f"not refused: {result.code}: {result.tail()}")


# E and O: settings
@case("E", "cloud.yaml in UTF-16 is one sentence; with a byte-order mark it is read")
def _cloud_settings_in_utf16(bench: Bench) -> None:
    file = bench.folder / "cloud.yaml"
    file.write_bytes("data: cloud\n".encode("utf-16"))
    bench.refuses("blindspot", "config", "validate", file, prints=(r"cloud\.yaml", "UTF-16", "UTF-8"))
    file.write_bytes("data: cloud\n".encode("utf-8-sig"))
    bench.run("blindspot", "config", "validate", file)


@case("O", "a section that is there twice in cloud.yaml is refused with both lines")
def _cloud_section_twice(bench: Bench) -> None:
    file = bench.folder / "cloud.yaml"
    file.write_text("data: cloud\napi:\n  port: 1\ntraining:\n  epochs: 2\napi:\n  host: localhost\n")
    bench.refuses("blindspot", "config", "validate", file, prints=("api", "2", "6"))


@case("O", "a class that is there twice in the deployment's list is refused")
def _cloud_class_twice(bench: Bench) -> None:
    file = write_yaml(bench.folder / "cloud.yaml", {"classes": ["fire", "fire"]})
    bench.refuses("blindspot", "config", "validate", file, prints=("fire|classes",))


# P and Q: paths
@case("P", "a cloud runs in a folder with blanks, quotes, # and %; everything is in it")
def _cloud_in_an_odd_folder(bench: Bench) -> None:
    name = "it's 50% #1 ?x=1"
    cloud = RunningCloud(bench, data=bench.folder / "base" / name).ready()
    bench.run("blindspot", "sites", "add", "harbour", "--data", cloud.data, prints=["harbour"])
    cloud.stop()
    made = [path.name for path in (bench.folder / "base").iterdir()]
    need(made == [name], f"other folders were made: {made}")
    need((cloud.data / "store.sqlite").is_file(), "the store is elsewhere")


@case("P", "a data folder named with a star adds and lists its own data, not that of a neighbour")
def _star_in_a_data_folder(bench: Bench) -> None:
    labelled(bench.folder / "set")
    bench.run("blindspot", "data", "add", "set", "--role", "base", "--data", "d1", prints=["1 images"])
    bench.run("blindspot", "data", "list", "--data", "d*", prints=["No data yet"])
    bench.run("blindspot", "data", "list", "--data", "d[1]", prints=["No data yet"])
    bench.run("blindspot", "data", "add", "set", "--role", "base", "--data", "d[1]", prints=["1 images"])
    need((bench.folder / "d[1]" / "datasets").is_dir(), "the data went elsewhere")
    bench.run("blindspot", "data", "list", "--data", "d[1]", prints=["set"])


@case("Q", "brackets in paths and names of `blindspot` are printed as they are")
def _brackets_in_cloud_paths(bench: Bench) -> None:
    odd = bench.folder / "[bold]x[" / "red]"
    labelled(odd / "set")
    for command in (
        ("data", "add", odd / "none", "--role", "base"),
        ("config", "validate", odd / "none.yaml"),
        ("db", "migrate", "--config", odd / "none.yaml"),
        ("sites", "list", "--data", odd),
    ):
        result = bench.run("blindspot", *command, code=None)
        need(result.code in (1, 3), f"`{result.command}` exited with {result.code}: {result.tail()}")
        need("[bold]x[/red]" in result.text, f"`{result.command}` swallows brackets: {result.tail()}")
    bench.run("blindspot", "data", "add", odd / "set", "--role", "base", "--name", "[red]alarm[/red]")
    listed = bench.run("blindspot", "data", "list")
    need("[red]alarm[/red]" in listed.text, f"the name is not printed as it is: {listed.tail()}")
    made = bench.run("blindspot", "init", odd / "new")
    need("[bold]x[/red]" in made.text, f"`init` swallows brackets: {made.tail()}")


# R: databases
@case("R", "a database that is no database is one sentence with its path")
def _database_that_is_none(bench: Bench) -> None:
    (bench.folder / "cloud").mkdir()
    (bench.folder / "cloud" / "store.sqlite").write_bytes(b"\x89PNG\r\n" * 300)
    bench.refuses("blindspot", "db", "migrate", "--data", "cloud", prints=(r"store\.sqlite", "database"))


# T: what help and remedies name is there
ALL_HELP = """
import sys, typer
from typer.testing import CliRunner
from MODULE import app

def walk(command, path):
    result = CliRunner().invoke(app, [*path, "--help"])
    print(result.exit_code, "Usage" in result.output, "/".join(path))
    for name, child in getattr(command, "commands", {}).items():
        walk(child, [*path, name])

walk(typer.main.get_command(app), [])
"""


@case("T", "every command that the help of a program lists has a help of its own")
def _help_of_every_command(bench: Bench) -> None:
    for program, least in (("blindspot", 30), ("blindspot-edge", 10)):
        done = subprocess.run(
            [sys.executable, "-c", ALL_HELP.replace("MODULE", COMMANDS[program])], cwd=ROOT, text=True,
            env=environment(bench.folder), capture_output=True, check=True, timeout=120,
        )  # fmt: skip
        lines = done.stdout.splitlines()
        need(len(lines) >= least, f"{program} lists only {len(lines)} commands")
        wrong = [line for line in lines if not line.startswith("0 True")]
        need(not wrong, f"{program} without help: {wrong}")


@case("T", "every command that a message or a document names exists")
def _commands_that_messages_name(bench: Bench) -> None:
    named: set[str] = set()
    files = [path for package in ("messaging", "edge", "synth", "cloud", "dashboards")
             for path in (ROOT / package).rglob("*.py")]  # fmt: skip
    for path in [*files, ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        named |= set(re.findall(r"`(blindspot(?:-edge)? [a-z][^`\n{}|]*)`", path.read_text()))
    need(len(named) > 10, f"only {len(named)} commands were found")
    for words in sorted({" ".join(_command_of(line)) for line in named}):
        program, *command = words.split()
        result = bench.run(program, *command, "--help", code=None)
        need(result.code == 0, f"a message names `{words}`, which does not exist: {result.tail()}")


def _command_of(line: str) -> list[str]:
    """The words of a command line before its first argument: small letters only."""
    program, *words = line.split()
    groups = {"cloud", "config", "db", "keys", "sites", "cameras", "hazards", "ledger", "data", "failures",
              "campaign", "models", "rollout"}  # fmt: skip
    return [program, *words[: 2 if words[0] in groups and len(words) > 1 else 1]]


@case("T", 'with `api.host: "::1"` the API, its address file and the commands work')
def _api_on_ipv6(bench: Bench) -> None:
    cloud = RunningCloud(bench, api={"host": "::1", "port": 0}).ready()
    need("[::1]" in cloud.url, f"the address is {cloud.url}")
    bench.run("blindspot", "sites", "list", "--data", cloud.data, prints=["No site yet"])
    cloud.stop()


@case("B", "the dashboard waits for a cloud that starts later, and its page answers then")
def _page_before_the_cloud(bench: Bench) -> None:
    port = free_port()
    page = bench.start("blindspot-page", "--data", bench.folder / "cloud", "--port", port)
    cloud = RunningCloud(bench).ready()
    page.wait_for("the page is at", 60)
    answer = httpx.get(f"http://127.0.0.1:{port}/login", timeout=20.0, trust_env=False)
    need(answer.status_code == 200, f"the page answers {answer.status_code}")
    bench.note(answer.text)
    page.stop()
    cloud.stop()


@case("D", "`campaign plan` without training data says what is missing; nothing is started")
def _plan_says_what_is_missing(bench: Bench) -> None:
    cloud = RunningCloud(bench).ready()
    result = bench.run(
        "blindspot", "campaign", "plan", "fire.night-rain.missed", "--data", cloud.data, code=None
    )
    need(
        result.code == 1 and not says(result.text, [r"fire\.night-rain\.missed"]),
        f"no sentence: {result.tail()}",
    )
    bench.run("blindspot", "campaign", "list", "--data", cloud.data, prints=["No campaign yet"])
    cloud.stop()


@case("D", "a class that this deployment's settings leave out is refused by `data add --config`")
def _class_that_the_settings_leave_out(bench: Bench) -> None:
    file = write_yaml(bench.folder / "cloud.yaml", {"data": str(bench.folder / "data"), "classes": ["smoke"]})
    labelled(bench.folder / "set", classes=["fire"])
    result = bench.run("blindspot", "data", "add", "set", "--role", "base", "--config", file, code=None)
    need(refused(result, "fire"), f"not refused: {result.code}: {result.tail()}")
