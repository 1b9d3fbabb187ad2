"""Handed inputs of the cloud: output folders, emptied state files, letters in paths."""

from functools import partial

from tests.trouble.bench import Bench, says
from tests.trouble.case import Case, add, case, need
from tests.trouble.cloud import RunningCloud
from tests.trouble.parts import free_port, put_image


@case("H", "`demo --out` refuses a folder with foreign files and the source in it; nothing is removed",
      handed="case27_out_folder.sh")  # fmt: skip
def _handed_27_out_folder(bench: Bench) -> None:
    folder = bench.folder / "mine"
    put_image(folder / "clip.jpg")
    bench.plant(folder)
    result = bench.run(
        "blindspot",
        "demo",
        "--tiny",
        "--out",
        folder,
        "--source",
        folder / "clip.jpg",
        code=None,
        timeout_s=30,
    )
    need(result.code in (1, 2) and not says(result.text, ["mine", "empty|earlier|inside|source"]),
         f"not refused: {result.code}: {result.tail()}")  # fmt: skip
    need(not bench.files_lost(), f"removed: {bench.files_lost()}")


@case("I", "an emptied token file: made again, or the cloud does not start; an empty bearer token is refused",
      handed="case30_emptied_state_files.sh")  # fmt: skip
def _handed_30_emptied_token(bench: Bench) -> None:
    data = bench.folder / "cloud"
    data.mkdir()
    (data / "token").write_bytes(b"")
    cloud = RunningCloud(bench)
    cloud.program.wait(
        lambda: (data / "api.json").exists() or not cloud.program.running(), 90, "start or end"
    )
    if not cloud.program.running():
        need(not says(cloud.program.text, ["token", "empty"]), f"no sentence: {cloud.program.tail()}")
        return
    cloud.ready()
    need(cloud.token, "the token is still empty")
    need(cloud.status("/api/v1/overview", "") == 401, "an empty bearer token is let in")
    need(cloud.status("/api/v1/overview", cloud.token) == 200, "the new token is not let in")
    cloud.stop()


def _letters(bench: Bench, name: str) -> None:
    folder = bench.folder / "base" / name
    bench.run("blindspot", "db", "migrate", "--data", folder, prints=["newest schema"])
    need(
        (folder / "store.sqlite").is_file(),
        f"the store is elsewhere: {sorted(bench.folder.rglob('*.sqlite'))}",
    )
    broker = bench.start(
        "blindspot-edge", "broker", "--site", "x", "--folder", folder / "brk", "--port", free_port()
    )
    broker.wait_for("listens on")
    broker.wait((folder / "brk" / "store").is_dir, 10, f"store in {folder}/brk")
    broker.stop()
    need([path.name for path in (bench.folder / "base").iterdir()] == [name], "other folders were made")


for _kind, _name in (("question-mark", "a?x=1"), ("bracket", "d[north]")):
    add(
        Case(
            f"P-handed-31-{_kind}",
            "P",
            f"a data folder named {_name}: database and broker are in it and nowhere else",
            partial(_letters, name=_name),
            "case31_letters_in_paths.sh",
        )
    )
