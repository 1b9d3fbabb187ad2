"""A PostgreSQL server on another machine is reached by TLS 1.3 and verified, or not at all.

The servers are on loopback; the URL gives them a name of another machine, and their address as `hostaddr`.
"""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from cloud.errors import StoreUnavailable
from cloud.store.database import inspected_database, open_database
from messaging.tls.certificate_authority import CertificateAuthority
from tests.support.cloud.postgres import PostgresServer, find_programs, running_postgres

HOST = "db.example.org"
PLAIN = "postgresql://u:s3cret@"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("authority"), clock=time.time, days=1.0)


def tls_server(authority: CertificateAuthority, newest_tls: str = "") -> Iterator[PostgresServer]:
    if (programs := find_programs()) is None:
        pytest.skip("PostgreSQL is not installed; `apt-get install postgresql` runs this test too")
    certificate = authority.server([HOST])
    with running_postgres(programs, certificate=certificate, newest_tls=newest_tls) as server:
        yield server


@pytest.fixture(scope="module")
def server(authority: CertificateAuthority) -> Iterator[PostgresServer]:
    yield from tls_server(authority)


@pytest.fixture(scope="module")
def old_server(authority: CertificateAuthority) -> Iterator[PostgresServer]:
    yield from tls_server(authority, "TLSv1.2")


def remote(server: PostgresServer, *, host: str = HOST, **query: str) -> str:
    url = server.new_database().replace("127.0.0.1", host)
    return f"{url}?{urlencode({'hostaddr': '127.0.0.1', **query})}"


def refusal(url: str) -> str:
    """The sentence with which both ways to the database refuse a URL."""
    sentences = []
    for opened in (inspected_database, open_database):
        with pytest.raises(StoreUnavailable) as caught:
            opened(url)
        sentences.append(str(caught.value))
    assert all("\n" not in one and "s3cret" not in one for one in sentences)
    return sentences[-1]


def tls_version(url: str) -> object:
    """The version of TLS that the server itself reports for a session of the store."""
    database = open_database(url)
    try:
        with database.reading() as session:
            found = session.execute(text("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
            return found.scalar_one()
    finally:
        database.close()


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca"])
def test_a_verified_server_is_reached_by_tls_1_3(
    server: PostgresServer, authority: CertificateAuthority, mode: str
) -> None:
    url = remote(server, sslmode=mode, sslrootcert=str(authority.path))
    assert tls_version(url) == "TLSv1.3"
    assert f"{HOST}:{server.port}" in inspected_database(url)


def test_a_server_of_another_authority_is_refused(server: PostgresServer, tmp_path: Path) -> None:
    other = CertificateAuthority(tmp_path, clock=time.time, days=1.0)
    other.make()
    sentence = refusal(remote(server, sslmode="verify-full", sslrootcert=str(other.path)))
    assert "certificate verify failed" in sentence
    assert "check sslrootcert in store.url" in sentence


def test_a_server_under_another_name_is_refused(
    server: PostgresServer, authority: CertificateAuthority
) -> None:
    url = remote(server, host="other.example.org", sslmode="verify-full", sslrootcert=str(authority.path))
    assert 'does not match host name "other.example.org"' in refusal(url)


def test_a_server_without_tls_is_refused(postgres: PostgresServer, authority: CertificateAuthority) -> None:
    authority.make()
    sentence = refusal(remote(postgres, sslmode="verify-full", sslrootcert=str(authority.path)))
    assert "server does not support SSL" in sentence
    assert "check sslrootcert in store.url" in sentence


def test_a_server_that_has_tls_1_2_alone_is_refused_unless_the_url_allows_it(
    old_server: PostgresServer, authority: CertificateAuthority
) -> None:
    query = {"sslmode": "verify-full", "sslrootcert": str(authority.path)}
    assert "SSL error" in refusal(remote(old_server, **query))
    assert tls_version(remote(old_server, **query, ssl_min_protocol_version="TLSv1.2")) == "TLSv1.2"


@pytest.mark.parametrize("query", ["", "&sslmode=require", "&sslmode=verify-full&sslmode=disable"])
def test_an_unverified_server_of_another_machine_is_refused_before_any_connection(query: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        port = listening.getsockname()[1]
        sentence = refusal(f"{PLAIN}{HOST}:{port}/n?hostaddr=127.0.0.1{query}")
        assert f"{HOST}:{port}/n?" in sentence
        assert f"is on another machine ({HOST}) and would be reached without verifying it" in sentence
        assert "add ?sslmode=verify-full&sslrootcert=FILE to store.url" in sentence
        with pytest.raises(BlockingIOError):
            listening.accept()


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("db/n", "db"),  # a service of the same container network
        ("host.containers.internal/n", "host.containers.internal"),
        ("10.0.0.5:5432/n", "10.0.0.5"),
        ("[2001:db8::7]/n", "2001:db8::7"),
        ("localhost/n?hostaddr=192.0.2.7", "192.0.2.7"),
        ("localhost,db/n", "db"),
        ("/n?host=localhost&host=db", "db"),
        ("/n?service=production", "its service"),
        ("/n?conninfo=host%3Ddb", "its conninfo"),
    ],
)
def test_every_way_to_name_another_machine_counts(place: str, named: str) -> None:
    assert f"is on another machine ({named})" in refusal(PLAIN + place)


def test_another_machine_in_the_environment_of_the_driver_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db")
    assert "is on another machine (db)" in refusal(f"{PLAIN}/n")
    assert "another machine" not in refusal(f"{PLAIN}127.0.0.1:1/n")


@pytest.mark.parametrize("place", ["127.0.0.1:1/n", "localhost:1/n", "[::1]:1/n", "/n?host=/nowhere"])
def test_this_machine_may_be_reached_without_tls(place: str) -> None:
    assert "check that the database runs" in refusal(PLAIN + place)


def test_hosts_in_two_forms_are_no_url() -> None:
    assert "is not the URL of a database" in refusal(f"{PLAIN}/n?host=a&host=b&port=1")


def test_passwords_in_the_query_are_in_no_sentence() -> None:
    sentence = refusal("postgresql://u@127.0.0.1:1/n?password=s3cret&sslpassword=s3cret&application_name=b")
    assert "u@127.0.0.1:1/n?application_name=b" in sentence
