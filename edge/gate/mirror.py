"""What comes down to a site, into a folder: metadata, orders, the weights they name, verdict requests.

The mirror believes nothing and proves nothing: it copies bytes under length caps, and reads them only to
know what to copy next. The node verifies everything again. Files are replaced atomically, timestamp last,
so that a reader never finds metadata whose parts are missing. After a start every file that is there is
inspected once; one that is emptied or damaged is copied again.
"""

import base64
import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from messaging.blobs import Blobs, NamedFiles, digest_of_file
from messaging.bus import Bus
from messaging.errors import BlobError, ConnectionRefused, WireForbidden
from messaging.nats.subjects import ORDERS, REQUESTS
from messaging.releases import Role, order_key
from messaging.runtime.atomic_files import GROUP_MODE, write_atomically
from messaging.trust.envelopes import MAX_ENVELOPE_BYTES
from messaging.trust.mirrored_requests import requests_path
from messaging.trust.orders import MAX_ORDER_BYTES

logger = logging.getLogger(__name__)

MAX_METADATA_BYTES = 2 * 2**20
_KEPT_TARGETS = 6
_KEPT_VERSIONS = 3
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ROLE = re.compile(r"[a-z][a-z0-9_-]{0,39}\.json")
_VERSIONED = re.compile(r"(\d+)\.(.+\.json)")


class Mirror:
    """The folder: `metadata/`, `orders/<site>.json` and `orders/<site>.teacher.json`, `targets/<sha256>`.

    And `requests/<site>.json`, the verdict requests.

    `missing` is the reason why the last refresh did not copy everything; empty when it did.
    """

    def __init__(
        self,
        site: str,
        folder: Path,
        hub: Bus,
        *,
        metadata: NamedFiles,
        targets: Blobs,
        max_target_bytes: int,
    ) -> None:
        self._site = site
        self._hub = hub
        self._metadata = metadata
        self._targets = targets
        self._max_target_bytes = max_target_bytes
        self._metadata_folder = folder / "metadata"
        self._targets_folder = folder / "targets"
        self._orders_folder = folder / "orders"
        self._requests = requests_path(folder, site)
        self._order_keys = tuple(order_key(site, role) for role in Role)
        self.missing = ""
        self._inspected = False
        self._whole: set[str] = set()
        self._refused = False
        for place in (
            *(self._metadata_folder, self._targets_folder, self._orders_folder),
            self._requests.parent,
        ):
            place.mkdir(parents=True, exist_ok=True)

    async def refresh(self) -> bool:
        """Copy what is new; whether anything was. Raises `WireError`; a damaged blob waits for next time."""
        try:
            changed = await self._refresh_requests()
            changed |= await self._refresh_metadata()
            for key in self._order_keys:
                changed |= await self._refresh_order(key)
                changed |= await self._refresh_target(key)
        except BlobError as error:
            if str(error) != self.missing:
                logger.warning("mirror of %s is not complete yet: %s", self._site, error)
            self.missing = str(error)
            return False
        self.missing = ""
        return changed

    @property
    def target_count(self) -> int:
        """How many weights the mirror holds."""
        return sum(1 for path in self._targets_folder.iterdir() if _DIGEST.fullmatch(path.name))

    async def _refresh_metadata(self) -> bool:
        changed = await self._refresh_roots()
        timestamp = await self._metadata.get_named("timestamp.json", max_bytes=MAX_METADATA_BYTES)
        kept = self._metadata_folder / "timestamp.json"
        if timestamp is None or (self._inspected and kept.exists() and kept.read_bytes() == timestamp):
            return changed
        snapshots = _versions(timestamp)
        for name, version in snapshots.items():
            snapshot = await self._copy_version(name, version)
            for role, role_version in _versions(snapshot).items():
                await self._copy_version(role, role_version)
        if _kept(kept) != timestamp:
            _write(kept, timestamp)
            changed = True
        self._forget_old_versions()
        self._inspected = True
        return changed

    async def _refresh_roots(self) -> bool:
        """Every root from the first to the newest, without a gap: clients walk them one by one."""
        changed, version = False, 1
        while True:
            path = self._metadata_folder / f"{version}.root.json"
            if not (path.exists() if self._inspected else _kept(path)):
                root = await self._metadata.get_named(path.name, max_bytes=MAX_METADATA_BYTES)
                if root is None:
                    return changed
                _write(path, root)
                changed = True
            version += 1

    async def _copy_version(self, role: str, version: int) -> bytes:
        path = self._metadata_folder / f"{version}.{role}"
        if kept := _kept(path):
            return kept
        data = await self._metadata.get_named(path.name, max_bytes=MAX_METADATA_BYTES)
        if data is None:
            raise BlobError(f"{path.name} is announced but absent from the hub")
        _write(path, data)
        return data

    async def _refresh_order(self, key: str) -> bool:
        order, path = await self._hub.get_latest(ORDERS, key), self._order_path(key)
        if order is None or (path.exists() and path.read_bytes() == order):
            return False
        if len(order) > MAX_ORDER_BYTES:
            raise BlobError(f"the order has {len(order)} bytes, at most {MAX_ORDER_BYTES} were expected")
        _write(path, order)
        logger.info("copied a rollout order for %s (%d bytes)", key, len(order))
        return True

    async def _refresh_requests(self) -> bool:
        try:
            requests = await self._hub.get_latest(REQUESTS, self._site)
        except ConnectionRefused:
            raise
        except WireForbidden:
            if not self._refused:
                logger.info("the hub permits no verdict requests yet; its cloud or the credential is older")
            self._refused = True
            return False
        self._refused = False
        if requests is None or (self._requests.exists() and self._requests.read_bytes() == requests):
            return False
        if len(requests) > MAX_ENVELOPE_BYTES:
            logger.warning("verdict requests of %d bytes are not copied", len(requests))
            return False
        _write(self._requests, requests)
        logger.info("copied verdict requests (%d bytes)", len(requests))
        return True

    async def _refresh_target(self, key: str) -> bool:
        path = self._order_path(key)
        digest = digest_in_order(path.read_bytes()) if path.exists() else None
        if digest is None or self._has_target(digest):
            return False
        data = await self._targets.get(digest, max_bytes=self._max_target_bytes)
        _write(self._targets_folder / digest, data)
        self._whole.add(digest)
        logger.info("copied weights %s (%d bytes)", digest[:12], len(data))
        self._forget_old_targets()
        return True

    def _order_path(self, key: str) -> Path:
        return self._orders_folder / f"{key}.json"

    def _has_target(self, digest: str) -> bool:
        """Whether the weights are there and whole; compared with their digest once."""
        path = self._targets_folder / digest
        if digest in self._whole and path.exists():
            return True
        try:
            found = digest_of_file(path)
        except FileNotFoundError:
            return False
        if found != digest:
            logger.warning("weights %s are damaged in the mirror and are copied again", digest[:12])
            return False
        self._whole.add(digest)
        return True

    def _forget_old_targets(self) -> None:
        kept = [path for path in self._targets_folder.iterdir() if _DIGEST.fullmatch(path.name)]
        for path in sorted(kept, key=lambda path: path.stat().st_mtime)[:-_KEPT_TARGETS]:
            path.unlink(missing_ok=True)
            self._whole.discard(path.name)

    def _forget_old_versions(self) -> None:
        """Keep all roots and the last few versions of every other role."""
        versions: dict[str, list[int]] = {}
        for path in self._metadata_folder.iterdir():
            match = _VERSIONED.fullmatch(path.name)
            if match is not None and match[2] != "root.json":
                versions.setdefault(match[2], []).append(int(match[1]))
        for role, numbers in versions.items():
            for number in sorted(numbers)[:-_KEPT_VERSIONS]:
                (self._metadata_folder / f"{number}.{role}").unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    """Replace a file of the mirror; the node, a user of its own in the gate's group, can read it."""
    write_atomically(path, data, mode=GROUP_MODE)


def _kept(path: Path) -> bytes:
    """A metadata file that is there; empty when it is absent, or damaged so that it must be copied again."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return b""
    try:
        json.loads(data)["signed"]
    except (ValueError, KeyError, TypeError, RecursionError):
        logger.warning("%s is damaged in the mirror and is copied again", path.name)
        return b""
    return data


def _versions(metadata: bytes) -> Mapping[str, int]:
    """Names and versions that a timestamp or snapshot announces; a hint of what to copy, not trusted."""
    try:
        announced: Any = json.loads(metadata)["signed"]["meta"]
        pairs = {str(name): int(entry["version"]) for name, entry in announced.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BlobError("the hub's metadata cannot be read") from None
    return {name: version for name, version in pairs.items() if _ROLE.fullmatch(name) and 0 < version < 10**9}


def digest_in_order(order: bytes) -> str | None:
    """The digest that an order names, read leniently; None when there is none."""
    try:
        envelope: Any = json.loads(order)
        digest = str(json.loads(base64.b64decode(envelope["payload"]))["digest"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return digest if _DIGEST.fullmatch(digest) else None
