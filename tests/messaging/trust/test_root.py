"""The chain of roots: 2 of 3 keys elsewhere, renewal, rotation; sites follow it, too few keys do not."""

import json
from pathlib import Path

import pytest

from messaging.errors import ConfigurationError, StateFileBroken
from messaging.trust.keys import PublicKey, SigningKey
from messaging.trust.root_chain import Lifetimes
from messaging.trust.root_metadata import check_root, described_root
from messaging.trust.signing import Repository, inspect_repository
from messaging.trust.site_trust import TrustedReleases
from tests.support.release_fleet import NOW, Fleet
from tests.support.root_keys import move_root_keys, rotate_with, signed

YEAR_S = 365 * 86400


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_a_site_of_the_first_day_follows_every_root_also_after_a_restart(fleet: Fleet) -> None:
    """One key, then 2 of 3 elsewhere, a rotation, a renewal, other keys: a release is always believed."""
    trust, repository, one = fleet.repository.site_trust, fleet.repository, fleet.release()

    def believed() -> bool:
        fleet.mirror_metadata()
        site = TrustedReleases(fleet.folder / "site", fleet.mirror, trust)
        return site.manifest(one.digest, NOW) == one

    assert believed()
    first = move_root_keys(repository, fleet.folder / "media")
    assert believed()
    rotate_with(repository, "targets", first[1:])
    assert believed()
    repository.accept_root(signed(repository.propose_root(), [first[0], first[2]]))
    assert believed()
    second = [SigningKey.read_or_make(fleet.folder / "later" / name) for name in ("d", "e", "f")]
    others = repository.propose_root(root_keys=[key.public for key in second], threshold=2)
    repository.accept_root(signed(others, [*first[:2], *second[:2]]))
    assert believed()
    assert (Repository(fleet.folder / "releases", clock=lambda: NOW).root_bytes, believed()) == (
        repository.root_bytes,
        True,
    )
    assert [name for name in repository.metadata_files() if "root" in name] == [
        f"{n}.root.json" for n in range(1, 6)
    ]


def test_no_root_key_is_left_where_releases_are_signed(fleet: Fleet) -> None:
    folder = fleet.folder / "releases"
    assert "the root keys are here: who reads them may sign anything" in inspect_repository(folder)
    move_root_keys(fleet.repository, fleet.folder / "media")
    assert [path.name for path in (folder / "keys").glob("root*")] == []
    role = json.loads(fleet.repository.root_bytes)["signed"]["roles"]["root"]
    assert (len(role["keyids"]), role["threshold"]) == (3, 2)
    assert "the root keys are elsewhere" in inspect_repository(folder)
    fleet.release("two")
    with pytest.raises(ConfigurationError, match="2 more signatures of the root keys of version 2"):
        fleet.repository.rotate_key("targets")


@pytest.mark.parametrize("signers", [[], [0], [1], [2], [0, 0]])
def test_a_root_with_too_few_signatures_is_not_accepted_and_changes_nothing(
    fleet: Fleet, signers: list[int]
) -> None:
    keys = move_root_keys(fleet.repository, fleet.folder / "media")
    before = dict(fleet.repository.metadata_files())
    proposal = fleet.repository.propose_root(rotate=["targets"])
    with pytest.raises(ConfigurationError, match="more signatures of the root keys of version 2 are needed"):
        fleet.repository.accept_root(signed(proposal, [keys[place] for place in signers]))
    assert fleet.repository.metadata_files() == before
    fleet.repository.refresh_timestamp()
    Repository(fleet.folder / "releases", clock=lambda: NOW)


def test_new_root_keys_must_sign_too(fleet: Fleet) -> None:
    """So that nobody can replace the root by keys that nobody has."""
    keys = move_root_keys(fleet.repository, fleet.folder / "media")
    others = [SigningKey.read_or_make(fleet.folder / "other" / name) for name in ("d", "e", "f")]
    proposal = fleet.repository.propose_root(root_keys=[key.public for key in others], threshold=2)
    with pytest.raises(ConfigurationError, match="2 more signatures of the root keys of the proposal itself"):
        fleet.repository.accept_root(signed(proposal, keys[:2]))


def test_a_proposal_that_was_changed_or_overtaken_is_refused(fleet: Fleet) -> None:
    keys = move_root_keys(fleet.repository, fleet.folder / "media")
    proposal = signed(fleet.repository.propose_root(), keys[:2])
    parts = json.loads(proposal)
    parts["signed"]["roles"]["root"]["threshold"] = 1
    with pytest.raises(ConfigurationError, match="more signatures"):
        fleet.repository.accept_root(json.dumps(parts).encode())
    fleet.repository.accept_root(proposal)
    with pytest.raises(
        ConfigurationError, match="is version 3 of the root, and version 4 is next; propose it again"
    ):
        fleet.repository.accept_root(proposal)


def test_a_crash_between_a_new_root_and_what_it_signs_is_finished_by_the_next_start(fleet: Fleet) -> None:
    """The root is written, the key file not yet moved, nothing signed again."""
    one, folder = fleet.release(), fleet.folder / "releases"
    keys = move_root_keys(fleet.repository, fleet.folder / "media")
    proposal = signed(fleet.repository.propose_root(rotate=["targets", "timestamp"]), keys[:2])
    root = check_root(fleet.repository.root_bytes, proposal)
    (folder / "metadata" / f"{root.version}.root.json").write_bytes(proposal)
    fleet.repository = Repository(folder, clock=lambda: NOW)
    fleet.mirror_metadata()
    site = TrustedReleases(fleet.folder / "site", fleet.mirror, fleet.repository.site_trust)
    assert site.manifest(one.digest, NOW) == one
    assert not list((folder / "keys").glob("*.next.pem"))


def test_a_root_key_here_renews_the_root_by_itself_and_keys_elsewhere_are_asked_for(tmp_path: Path) -> None:
    now, lifetimes = NOW, Lifetimes(root_s=2 * YEAR_S)
    repository = Repository(tmp_path / "releases", clock=lambda: now, lifetimes=lifetimes)
    now += YEAR_S + 86400
    repository.refresh_timestamp()
    assert "2.root.json" in repository.metadata_files()
    move_root_keys(repository, tmp_path / "media")
    now += YEAR_S + 86400
    repository.refresh_timestamp()
    assert "4.root.json" not in repository.metadata_files()
    now += YEAR_S
    with pytest.raises(StateFileBroken, match=r"the root metadata in .* expired"):
        _ = repository.described


@pytest.mark.parametrize(("number", "threshold"), [(0, 1), (3, 0), (3, 4), (17, 2)])
def test_a_threshold_that_does_not_fit_the_keys_is_refused(fleet: Fleet, number: int, threshold: int) -> None:
    keys = [SigningKey.read_or_make(fleet.folder / "k" / str(n)).public for n in range(number)]
    if not keys:
        keys = [fleet.repository.director.public] * 2
    with pytest.raises(ConfigurationError, match="distinct root keys cannot sign"):
        fleet.repository.propose_root(root_keys=keys, threshold=threshold)


def test_files_of_another_kind_are_refused_with_a_sentence(fleet: Fleet) -> None:
    for data in (b"", b"{}", b"[" * 5000, fleet.repository.metadata_files()["timestamp.json"]):
        with pytest.raises(ConfigurationError, match="the proposal is not root metadata"):
            fleet.repository.accept_root(data)
        with pytest.raises(ConfigurationError, match=r"a\.pub is not a public key"):
            PublicKey.from_bytes(data, "a.pub")


def test_a_person_who_signs_sees_version_keys_and_signatures(fleet: Fleet) -> None:
    (key,) = (SigningKey.read(path) for path in (fleet.folder / "releases" / "keys").glob("root.pem"))
    line = described_root(fleet.repository.root_bytes)
    assert line.startswith("root version 1, until 20")
    assert f"root 1 of {key.public.key_id[:12]}" in line
    assert line.endswith(f"signed by {key.public.key_id[:12]}")
