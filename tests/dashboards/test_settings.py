"""The page's configuration: maps have tiles of one host, or none."""

from pathlib import Path

import pytest

from dashboards import app
from dashboards.access.access import Access
from dashboards.settings import DEFAULTS, DashboardSettings, MapSettings, read_settings

TILES = "https://Tiles.city.example:8443/base/{z}/{x}/{y}.png?key=1"


def policy(folder: Path, settings: DashboardSettings) -> str:
    access = Access(folder, settings=settings, image_hosts=settings.map.hosts)
    return access.headers["Content-Security-Policy"]


def test_without_tiles_images_come_from_the_page_alone(tmp_path: Path) -> None:
    assert "img-src 'self' data: blob:; " in policy(tmp_path, DEFAULTS)


def test_the_host_of_the_tiles_and_no_other_may_send_images(tmp_path: Path) -> None:
    settings = DashboardSettings(map=MapSettings(tiles=TILES, attribution="© City"))
    found = policy(tmp_path, settings)
    assert "img-src 'self' data: blob: https://tiles.city.example:8443; " in found
    assert found.count("tiles.city.example") == 1


@pytest.mark.parametrize(
    ("tiles", "sentence"),
    [
        ("http://tiles.city.example/{z}/{x}/{y}.png", "must begin with https://"),
        ("tiles.city.example/{z}/{x}/{y}.png", "must begin with https://"),
        ("https://{s}.city.example/{z}/{x}/{y}.png", "must be one name without a login or a placeholder"),
        ("https://me:secret@city.example/{z}/{x}/{y}.png", "must be one name without a login"),
        ("https://city.example;script-src */{z}/{x}/{y}.png", "must be one name without a login"),
        ("https://city.example/{z}/{x}.png", "must have {z}, {x} and {y} and no other placeholder"),
        ("https://city.example/{z}/{x}/{y}{r}.png", "must have {z}, {x} and {y} and no other placeholder"),
    ],
)
def test_a_bad_template_is_one_sentence_at_the_start(
    tiles: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "page.yaml"
    config.write_text(f'map:\n  attribution: City\n  tiles: "{tiles}"\n')
    assert app.main(["--data", str(tmp_path), "--config", str(config)]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert ("page.yaml" in line, sentence in line) == (True, True), line


@pytest.mark.parametrize("values", ["attribution: City", f'tiles: "{TILES}"'])
def test_tiles_are_not_shown_without_naming_their_provider(
    values: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "page.yaml"
    config.write_text(f"map:\n  {values}\n")
    assert app.main(["--data", str(tmp_path), "--config", str(config)]) == 1
    assert "set both, or neither" in capsys.readouterr().err


def test_tiles_of_this_machine_may_come_without_encryption() -> None:
    settings = MapSettings(tiles="http://127.0.0.1:8080/{z}/{x}/{y}", attribution="City")
    assert settings.hosts == ("http://127.0.0.1:8080",)


@pytest.mark.parametrize("name", ["city.geojson", "plans/city.geojson", "../city.geojson"])
def test_relative_paths_begin_at_the_folder_of_the_file_wherever_the_page_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, elsewhere = tmp_path / "etc", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "secret").write_text("of the client\n")
    (folder / "page.yaml").write_text(
        f"public_url: https://blindspot.example\nmap: {{plan: {name}}}\n"
        "oidc: {issuer: https://login.example, client_id: b, client_secret_file: secret}\n"
    )
    monkeypatch.chdir(elsewhere)
    for path in (folder / "page.yaml", Path("../etc/page.yaml")):
        settings = read_settings(path)
        assert settings.map.plan is not None
        assert settings.map.plan.resolve() == (folder / name).resolve()
        assert settings.oidc is not None
        assert settings.oidc.client_secret == "of the client"


def test_an_absolute_path_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "page.yaml").write_text("map: {plan: /etc/blindspot/city.geojson}\n")
    assert read_settings(tmp_path / "page.yaml").map.plan == Path("/etc/blindspot/city.geojson")
