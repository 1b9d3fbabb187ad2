"""`blindspot keys`: the keys that sign releases, and the root that names them.

Root keys may be kept on other machines: there only `root make` and `root sign` are run, which need no cloud.
The commands that change the cloud's folder need the cloud to be stopped.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cloud.cli.dry_run import changes_state
from cloud.cli.local.setup import ConfigOption, settings_of
from cloud.dry_runs import active, before_change
from messaging.errors import ConfigurationError
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.console import notes
from messaging.runtime.text_files import read_bytes
from messaging.trust.keys import PublicKey, SigningKey
from messaging.trust.root_metadata import described_root, sign_root
from messaging.trust.signing import ONE_KEY_ROLES, Repository

keys_app = typer.Typer(no_args_is_help=True, help="The keys that sign releases.")
root = typer.Typer(no_args_is_help=True, help="The root: which keys may sign what; root keys sign it.")
keys_app.add_typer(root, name="root")

DataFolderOption = Annotated[Path | None, typer.Option("--data", help="data folder")]
ProposalArgument = Annotated[Path, typer.Argument(help="the proposal's file")]


@keys_app.command("rotate")
@changes_state
def rotate_key(
    role: Annotated[str, typer.Argument(help="targets, snapshot or timestamp")],
    path: ConfigOption = None,
    data: DataFolderOption = None,
) -> None:
    """Replace a signing key; sites accept the new one by the new root. Stop the cloud first.

    A dry run checks the role and opens the folder of the releases. It does not check that the cloud is
    stopped, nor that enough root keys are here to sign the new root.
    """
    _refuse_unknown([role])
    with _repository(path, data) as repository:
        repository.rotate_key(role)
    notes.print(f"the {role} key is replaced; the cloud publishes the new root when it starts")


@keys_app.command("show")
def show(path: ConfigOption = None, data: DataFolderOption = None) -> None:
    """Print the version, end and keys of the root, and whether root keys are on this machine."""
    folder = settings_of(path, data).folder.releases
    repository = Repository.open(folder)
    notes.print_line(described_root(repository.root_bytes))
    notes.print_line(repository.described)


@root.command("make")
@changes_state
def make(file: Annotated[Path, typer.Argument(help="the key's file, on the medium that keeps it")]) -> None:
    """Make a root key on this machine: FILE is secret (0600), FILE.pub is for `root propose`."""
    if file.exists():
        raise ConfigurationError(f"{file} exists already; name another file, or use it")
    before_change()
    file.parent.mkdir(parents=True, exist_ok=True)
    key = SigningKey.read_or_make(file).public
    public = file.with_name(f"{file.name}.pub")
    write_atomically(public, key.to_bytes())
    notes.print_line(f"root key {key.key_id[:12]}: keep {file} offline, carry {public} to the cloud")


@root.command("propose")
@changes_state
def propose(
    file: ProposalArgument,
    keys: Annotated[
        list[Path] | None,
        typer.Option("--root", help="a public root key, again for each; default: as now"),
    ] = None,
    threshold: Annotated[int, typer.Option("--threshold", min=1, help="how many of --root must sign")] = 2,
    rotate: Annotated[
        list[str] | None, typer.Option("--rotate", help="a role that gets a new key, again for more")
    ] = None,
    path: ConfigOption = None,
    data: DataFolderOption = None,
) -> None:
    """Write the next root, which renews it; a root key on this machine signs it at once.

    A dry run reads the public keys, checks the roles and opens the folder of the releases. It does not build
    the proposal, and does not check that the cloud is stopped.
    """
    found = [PublicKey.from_bytes(read_bytes(key), str(key)) for key in keys or ()]
    _refuse_unknown(rotate or ())
    with _repository(path, data) as repository:
        proposal = repository.propose_root(root_keys=found, threshold=threshold, rotate=rotate or ())
    write_atomically(file, proposal)
    notes.print_line(described_root(proposal))
    notes.print_line(f"wrote {file}; have it signed with `keys root sign`, then `keys root accept` it")


@root.command("sign")
@changes_state
def sign(
    file: ProposalArgument,
    key: Annotated[Path, typer.Option("--key", help="the file of a root key")],
) -> None:
    """Add a root key's signature to a proposal, where the key is kept; compare the printed keys."""
    proposal = sign_root(read_bytes(file), SigningKey.read(key))
    before_change()
    write_atomically(file, proposal)
    notes.print_line(described_root(proposal))


@root.command("accept")
@changes_state
def accept(file: ProposalArgument, path: ConfigOption = None, data: DataFolderOption = None) -> None:
    """Make a signed proposal the root that sites follow. Stop the cloud first.

    A dry run reads the proposal's file and opens the folder of the releases. It does not verify the
    signatures of the proposal, and does not check that the cloud is stopped.
    """
    proposal = read_bytes(file)
    with _repository(path, data) as repository:
        repository.accept_root(proposal)
        notes.print_line(described_root(repository.root_bytes))
        notes.print_line(repository.described)


def _refuse_unknown(roles: Sequence[str]) -> None:
    if unknown := [role for role in roles if role not in ONE_KEY_ROLES]:
        raise ConfigurationError(f"role {unknown[0]!r} has no key to rotate; name one of {ONE_KEY_ROLES}")


@contextmanager
def _repository(path: Path | None, data: Path | None) -> Iterator[Repository]:
    """The repository of a cloud that is not running."""
    from cloud.campaigns.process_lock import sole_process

    folder = settings_of(path, data).folder
    if active():
        Repository.open(folder.releases)
    before_change()
    with sole_process(folder):
        yield Repository(folder.releases)
