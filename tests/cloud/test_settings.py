"""Settings: defaults that are enough, and one sentence for what is wrong."""

from pathlib import Path

import pytest

from cloud.settings import CloudSettings
from messaging.errors import ConfigurationError
from messaging.runtime.configuration_files import parse_settings
from messaging.runtime.quoting import sqlite_url


def read(text: str, environment: dict[str, str] | None = None) -> CloudSettings:
    return parse_settings(CloudSettings, text, origin="cloud.yaml", environment=environment or {})


def test_an_empty_file_is_enough() -> None:
    settings = read("{}")
    assert settings.data == Path("blindspot-data")
    assert "fire" in settings.taxonomy.names
    assert settings.triggers == ()


def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match=r"line 3: unknown key .*did you mean 'target_recall'"):
        read("data: d\nfailure_modes:\n  target_recal: 0.5\n")


def test_the_environment_overrides_one_key() -> None:
    assert read("api: {port: 1}", {"BLINDSPOT__API__PORT": "0"}).api.port == 0


def test_a_class_that_is_there_twice_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigurationError, match=r"line 2: classes: .*fire"):
        read("data: d\nclasses: [fire, smoke, fire]\n")


def test_own_classes_come_from_a_file_and_shipped_ones_by_their_names(tmp_path: Path) -> None:
    file = tmp_path / "classes.yaml"
    file.write_text("classes: [{name: graffiti, severity: 1, words: [graffiti], place: wall}]")
    own = read(f"classes: {file}").taxonomy
    assert (own.names, own.severity("graffiti")) == (("graffiti",), 1)
    assert read("classes: [smoke, fire]").taxonomy.names == ("smoke", "fire")
    with pytest.raises(ConfigurationError, match=r"line 1: classes.*'graffiti' is unknown.*classes init"):
        read("classes: [fire, graffiti]")
    with pytest.raises(ConfigurationError, match=r"lost\.yaml cannot be read .*check the path"):
        _ = read(f"classes: {tmp_path / 'lost.yaml'}").taxonomy


def test_a_class_may_have_a_target_of_its_own() -> None:
    modes = read("failure_modes: {target_recall: 0.5, targets: {pothole: 0.3}}").failure_modes
    assert (modes.target("fire"), modes.target("pothole")) == (0.5, 0.3)


@pytest.mark.parametrize(
    "text",
    ["api: {port: 70000}", "triggers: [{name: a, min_count: 0}]", "training: {batch: 1}"],
)
def test_a_value_out_of_range_is_refused_with_the_file_and_the_key(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"cloud\.yaml line 1"):
        read(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("hub: {host: 0.0.0.0}", "set hub.advertised_host to the name or address under which sites reach"),
        ("hub: {host: 0.0.0.0, advertised_host: 0.0.0.0}", "is no address to connect to"),
        ("hub: {host: 10.0.0.5}", "Input should be '127.0.0.1' or '0.0.0.0'"),
        ("hub: {advertised_host: 'nats://hub:4222'}", "hub.advertised_host: .* is not allowed here"),
    ],
)
def test_a_hub_that_sites_could_not_reach_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        read(text)


@pytest.mark.parametrize(
    ("text", "hub", "api", "names"),
    [
        ("{}", False, False, ()),
        ("api: {host: '::1'}", False, False, ()),
        ("hub: {advertised_host: localhost}", False, False, ()),
        ("hub: {host: 0.0.0.0, advertised_host: hub.example}", True, False, ("hub.example",)),
        ("hub: {advertised_host: 10.0.0.5}", True, False, ("10.0.0.5",)),
        ("api: {host: 10.0.0.5}\ntls: {names: [api.example]}", False, True, ("10.0.0.5", "api.example")),
        ("api: {host: 0.0.0.0}\ntls: {names: [api.example]}", False, True, ("api.example",)),
        ("tls: {on_loopback: true}", True, True, ()),
    ],
)
def test_what_is_not_on_loopback_alone_is_encrypted(
    text: str, hub: bool, api: bool, names: tuple[str, ...]
) -> None:
    settings = read(text)
    assert (settings.hub_encrypted, settings.api_encrypted, settings.host_names) == (hub, api, names)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("api: {host: 0.0.0.0}", "api.host 0.0.0.0 is no address to connect to; set tls.names"),
        ("tls: {certificate: a.pem}", "certificate, key and ca belong together: give all three, or none"),
        (
            "tls: {certificate: a, key: b, ca: c, on_loopback: true}",
            "tls.certificate is given, and no name for it: set tls.names to those in it",
        ),
        ("tls: {names: ['https://x']}", "is not allowed here"),
    ],
)
def test_a_certificate_without_a_name_or_half_of_one_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        read(text)


def test_the_store_is_a_file_of_the_data_folder_or_what_its_url_names(tmp_path: Path) -> None:
    assert read("data: d").store_url == sqlite_url(Path("d/store.sqlite"))
    text = "store: {url: 'postgresql://blindspot:${PASSWORD}@db/store'}"
    wanted = "postgresql://blindspot:s3cret@db/store"
    (tmp_path / "password").write_text("s3cret\n")
    for environment in ({"PASSWORD": "s3cret"}, {"PASSWORD_FILE": str(tmp_path / "password")}):
        settings = read(text, environment)
        assert settings.store_url == wanted
        assert "s3cret" not in repr(settings) + settings.model_dump_json()
    with pytest.raises(
        ConfigurationError, match=r"\$\{PASSWORD\} is not set; export PASSWORD or PASSWORD_FILE"
    ):
        read(text)


def test_devices_and_providers_are_names_of_a_list() -> None:
    settings = read(
        "training: {device: 'cuda:1', precision: float16}\nevaluation: {providers: [cuda, cpu]}\n"
    )
    assert (settings.training.device, settings.training.precision) == ("cuda:1", "float16")
    assert settings.evaluation.providers == ("cuda", "cpu")
    for text in ("training: {device: gpu}", "training: {precision: half}", "evaluation: {providers: [gpu]}"):
        with pytest.raises(ConfigurationError, match=r"cloud\.yaml line 1"):
            read(text)
