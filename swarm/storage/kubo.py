# SPDX-License-Identifier: Apache-2.0
"""A Store in a running IPFS daemon, over its RPC API. The only importer of ipfshttpclient.

The client library is unmaintained: only block, pin, dag import and version are used, through Client() and never
connect(), whose version check refuses every current daemon. Content enters as a CAR we made, so that CIDs never depend
on the defaults of a daemon. The daemon is not trusted with content: every block is hashed on receipt.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from swarm.errors import IntegrityError, NotFound, TransientError, UsageError
from swarm.log import Log
from swarm.storage import reader
from swarm.storage.car import CarStream, header, section
from swarm.storage.cid import RAW, Cid, cid_of_block, parse
from swarm.storage.importer import CHUNK_BYTES, import_path, root_of
from swarm.storage.port import ExportLimits
from swarm.storage.tally import DAEMON, counted

DEFAULT_API = "/ip4/127.0.0.1/tcp/5001"
BLOCK_SECONDS = 60.0  # how long the daemon may look for a block among its peers
IMPORT_SECONDS = 3600.0
HERE_SECONDS, DIAL_SECONDS = 2.0, 10.0

log = Log(__name__)


class KuboStore:
    """`api` is a multiaddr such as /ip4/127.0.0.1/tcp/5001. Content is kept by the daemon alone."""

    def __init__(self, api: str = DEFAULT_API, *, block_seconds: float = BLOCK_SECONDS) -> None:
        self._api, self._block_seconds = api or DEFAULT_API, block_seconds
        self._client = _client(self._api)

    def add(self, path: Path) -> str:
        # Read twice: a CAR names its root first, and the root is only known at the end.
        root = root_of(Path(path))
        return self._import(root, _car_of(root, Path(path)))

    def add_bytes(self, data: bytes) -> str:
        if len(data) > CHUNK_BYTES:
            raise UsageError(f"{len(data)} bytes do not fit into one block", hint="at most 1 MiB; add a file instead")
        root = cid_of_block(data, RAW)
        return self._import(root, iter([header([root]), section(root, data)]))

    def read(self, cid: str, *, limit: int) -> bytes:
        return reader.read_file(self.get, parse(cid), limit)

    def export(self, cid: str, target: Path, *, limits: ExportLimits, keep: bool = True) -> None:
        """`keep` is up to the daemon: it caches what it fetches and collects what is not pinned."""
        reader.export(self.get, parse(cid), Path(target), limits)

    def resolve(self, cid: str, path: str) -> str:
        return str(reader.resolve(self.get, parse(cid), path))

    def has(self, cid: str) -> bool:
        parsed = parse(cid)
        try:
            with self._mapped(f"look for {cid}"):
                self._client.block.stat(str(parsed), timeout=HERE_SECONDS, opts={"offline": "true"})
        except (NotFound, _Slow):
            return False
        return True

    def pin(self, cid: str) -> None:
        with self._mapped(f"pin {cid}"):
            self._client.pin.add(str(parse(cid)), timeout=10 * self._block_seconds)

    def unpin(self, cid: str) -> None:
        with contextlib.suppress(NotFound), self._mapped(f"unpin {cid}"):
            self._client.pin.rm(str(parse(cid)), timeout=self._block_seconds)

    def check(self) -> None:
        with self._mapped("ask for its version"):
            self._client.version(timeout=HERE_SECONDS * 5)

    def collect(self) -> int:
        """The daemon's own collector removes what no pin protects (`ipfs daemon --enable-gc`)."""
        return 0

    @property
    def blocks(self) -> DaemonBlocks:
        """The daemon's blocks, for somebody who hands them on."""
        return DaemonBlocks(self)

    def addresses(self) -> list[str]:
        """Where the daemon believes it can be dialled, with its peer id; nothing of it need be true behind a NAT."""
        with self._mapped("tell its addresses"):
            found = self._client.id(timeout=HERE_SECONDS * 5).get("Addresses") or []
        return [str(each) for each in found]

    def dial(self, addresses: Sequence[str]) -> None:
        """Connects the daemon to peers; those that do not answer in time are passed over."""
        for address in addresses:
            try:
                with self._mapped(f"dial {address}"):
                    # Not swarm.connect: it sends every letter of the address as an address of its own.
                    ask = self._client.swarm._client.request
                    ask("/swarm/connect", (address,), decoder="json", timeout=DIAL_SECONDS)
            except (TransientError, NotFound) as error:
                log.warning("peer_not_dialled", peer=address, reason=str(error))

    def size_of(self, cid: Cid) -> int:
        """Length of a block in bytes, wherever the daemon finds it."""
        with self._mapped(f"find {cid}"):
            return int(self._client.block.stat(str(cid), timeout=self._block_seconds)["Size"])

    def _import(self, root: Cid, car: Iterator[bytes]) -> str:
        stream = io.BufferedReader(CarStream(car), CHUNK_BYTES)
        with self._mapped(f"import {root}"):
            self._client.dag.imprt(stream, timeout=IMPORT_SECONDS)
        self.pin(str(root))
        # The answer differs between daemons; what counts is that the daemon now has our root.
        self.get(root)
        return str(root)

    def get(self, cid: Cid) -> bytes:
        """The verified block, wherever the daemon finds it."""
        with self._mapped(f"find {cid}"):
            block = self._client.block.get(str(cid), timeout=self._block_seconds)
            if not cid.matches(block):
                raise IntegrityError(f"the daemon at {self._api} sent wrong bytes for {cid}")
        return block

    @contextlib.contextmanager
    def _mapped(self, verb: str) -> Iterator[None]:
        """One request to the daemon: counted, its faults as ours."""
        with counted(DAEMON), self._faults(verb):
            yield

    @contextlib.contextmanager
    def _faults(self, verb: str) -> Iterator[None]:
        from ipfshttpclient import exceptions

        try:
            yield
        except exceptions.TimeoutError as error:
            raise _Slow(f"the IPFS daemon at {self._api} could not {verb} in time") from error
        except exceptions.ErrorResponse as error:
            if "not found" in str(error).lower() or "not pinned" in str(error).lower():
                raise NotFound(f"the IPFS daemon at {self._api} could not {verb}", hint=str(error)) from error
            raise TransientError(f"the IPFS daemon at {self._api} could not {verb}", hint=str(error)[:200]) from error
        except (exceptions.Error, OSError) as error:
            raise TransientError(f"cannot reach the IPFS daemon at {self._api}", hint="is it running") from error


class DaemonBlocks:
    """The blocks of a daemon as `swarm.storage.pinning` reads them."""

    def __init__(self, store: KuboStore) -> None:
        self.get, self.size = store.get, store.size_of


class _Slow(TransientError):
    """The daemon did not answer in time: nobody it knows has the block, or it is busy."""


def _client(api: str) -> Any:
    import ipfshttpclient

    # Said at every request; pyproject.toml pins urllib3 below the version that will mind.
    warnings.filterwarnings("ignore", message="The 'strict' parameter", category=FutureWarning)
    try:
        return ipfshttpclient.Client(api)
    except (ipfshttpclient.exceptions.Error, ValueError) as error:
        raise UsageError(f"{api!r} is not the address of an IPFS daemon", hint=f"like {DEFAULT_API}") from error


def _car_of(root: Cid, path: Path) -> Iterator[bytes]:
    yield header([root])
    last = None
    for block in import_path(path):
        yield section(block.cid, block.data)
        last = block.cid
    if last != root:
        raise UsageError(f"{path} changed while it was being read", hint="add it again")
