# SPDX-License-Identifier: Apache-2.0
"""Builds the image jobs run in, once per content of its inputs, and finds it again by a label."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from swarm.errors import TransientError, UsageError
from swarm.runtime import engine as engines
from swarm.runtime.base_image import find_base
from swarm.runtime.engine import engine_errors

INPUTS_LABEL = "computeswarm.inputs"
REPOSITORY = "computeswarm/lora"
ROOT = Path(__file__).resolve().parents[2]
# What a job program may import, and nothing else of the project.
CODE = ("__init__.py", "errors.py", "hostile_json.py", "clock.py", "log.py", "protocol", "workloads", "jobs")
_PIP_SETTINGS = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_BUILD_TIMEOUT_SECONDS = 3600

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Image:
    """`digest` is the image's ID, the engine of a spec; `was_built` is False when it was found."""

    digest: str
    was_built: bool
    bytes: int


def ensure_image(*, base: str | None = None, say: Say | None = None) -> str:
    """The digest (sha256:…) of the job image, built if the engine does not hold it yet. Raises as `provide_image`."""
    return provide_image(base=base, say=say).digest


def provide_image(*, base: str | None = None, say: Say | None = None) -> Image:
    """Finds or builds the image. `say` gets a line for every step.

    Raises TransientError when the engine or a registry does not answer, UsageError when no base image can be had.
    """
    say = say or _silent
    recipe = _recipe()
    client = engines.connect()
    base_id = find_base(client, base, say)
    label = _digest(recipe, base_id)
    if found := _labelled(client, label):
        return _image(client, found, was_built=False)
    say("building the job image (some minutes the first time)")
    return _image(client, _build(client, recipe, base_id, label, say), was_built=True)


def held_image(wanted: str | None) -> str | None:
    """The digest of a job image that the engine holds: `wanted`, or the newest one built here. None without any.

    Raises TransientError when no engine answers.
    """
    client = engines.connect()
    if wanted and engines.is_digest(wanted) and (found := engines.find_image(client, wanted)):
        return found["Id"]
    found = engines.find_image(client, f"{REPOSITORY}:latest")
    return found["Id"] if found else None


def _recipe() -> dict[str, Path]:
    """Path in the build context → file of the host. Raises UsageError outside a checkout."""
    folder = ROOT / "images" / "lora"
    if not (folder / "Dockerfile").is_file():
        raise UsageError("the job image is built from a checkout of the repository", hint="git clone it first")
    files = {"Dockerfile": folder / "Dockerfile"}
    files |= {f"build/{name}": folder / name for name in ("requirements.txt", "constraints.txt")}
    files |= {f"build/wheels/{wheel.name}": wheel for wheel in _local_wheels(folder / "requirements.txt")}
    return files | {f"swarm/{path.relative_to(ROOT / 'swarm')}": path for path in _code()}


def _code() -> Iterator[Path]:
    for name in CODE:
        path = ROOT / "swarm" / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _local_wheels(requirements: Path) -> list[Path]:
    """Wheels of our requirements in the directories that the host's pip looks into: often a smaller build of torch."""
    prefixes = tuple(line.strip().replace("==", "-") for line in requirements.read_text().splitlines())
    folders = [Path(word.removeprefix("file://")) for word in os.environ.get("PIP_FIND_LINKS", "").split()]
    wheels = [wheel for folder in folders if folder.is_dir() for wheel in sorted(folder.glob("*.whl"))]
    return [wheel for wheel in wheels if wheel.name.startswith(prefixes)]


def _digest(recipe: dict[str, Path], base_id: str) -> str:
    hasher = hashlib.sha256(base_id.encode())
    for name, path in sorted(recipe.items()):
        # A wheel is known by its name and size: hashing 200 MB would take longer than finding the image.
        content = str(path.stat().st_size).encode() if name.endswith(".whl") else path.read_bytes()
        hasher.update(f"\n{name} {hashlib.sha256(content).hexdigest()}".encode())
    return hasher.hexdigest()


def _labelled(client: Any, label: str) -> str | None:
    with engine_errors():
        found = client.images(filters={"label": f"{INPUTS_LABEL}={label}"})
    return found[0]["Id"] if found else None


def _build(client: Any, recipe: dict[str, Path], base_id: str, label: str, say: Say) -> str:
    settings = {name: os.environ[name] for name in (*_PIP_SETTINGS, *_PROXIES) if os.environ.get(name)}
    with tempfile.TemporaryFile() as context, engine_errors():
        _write_context(context, recipe)
        stream = client.build(
            fileobj=context,
            custom_context=True,
            tag=REPOSITORY,
            buildargs=settings | {"BASE": base_id},
            labels={INPUTS_LABEL: label},
            # pip may have to use what only the host can reach, for instance a proxy on its loopback.
            network_mode="host",
            rm=True,
            forcerm=True,
            decode=True,
            timeout=_BUILD_TIMEOUT_SECONDS,
        )
        _follow(stream, say)
    if not (found := _labelled(client, label)):
        raise TransientError("the image was built but the engine does not show it")
    return found


def _follow(stream: Iterator[dict], say: Say) -> None:
    last = ""
    for event in stream:
        if "error" in event:
            raise TransientError(f"the image could not be built: {last or event['error'].strip()[:300]}")
        for line in event.get("stream", "").splitlines():
            if line.strip():
                last = line.strip()[:300]
                say(last)


def _write_context(context: IO[bytes], recipe: dict[str, Path]) -> None:
    """The build context as a tar whose bytes depend on the inputs alone."""
    with tarfile.open(fileobj=context, mode="w") as archive:
        _add(archive, "build/wheels", None)
        _add(archive, "build/ca.crt", io.BytesIO(_certificates()))
        for name, path in sorted(recipe.items()):
            with path.open("rb") as file:
                _add(archive, name, file)
    context.seek(0)


def _add(archive: tarfile.TarInfo, name: str, file: IO[bytes] | None) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = (tarfile.REGTYPE, 0o644) if file else (tarfile.DIRTYPE, 0o755)
    if file:
        entry.size = file.seek(0, os.SEEK_END)
        file.seek(0)
    archive.addfile(entry, file)


def _certificates() -> bytes:
    """The authorities the host trusts, where it names them; the build's network is the host's."""
    for name in _CERTIFICATES:
        if (path := Path(os.environ.get(name, ""))).is_file():
            return path.read_bytes()
    return b""


def _image(client: Any, digest: str, *, was_built: bool) -> Image:
    found = engines.find_image(client, digest)
    if found is None:
        raise TransientError("the image is gone again", hint="run it once more")
    return Image(digest, was_built, found["Size"])


def _silent(line: str) -> None:
    """Nobody wants to see the steps."""
