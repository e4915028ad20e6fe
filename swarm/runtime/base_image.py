# SPDX-License-Identifier: Apache-2.0
"""The image below ours: a Python 3.11 on Debian, from a registry or, where none is reachable, made with debootstrap."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swarm.errors import SwarmError, UsageError
from swarm.runtime import engine as engines
from swarm.runtime.engine import engine_errors

PUBLISHED = "python:3.11-slim"
OWN = "computeswarm/base:bookworm"
_SUITE = "bookworm"
_PACKAGES = "python3,python3-pip,python3-venv,ca-certificates"
_URI = re.compile(r"^(?:URIs:\s*|deb(?:\s+\[[^\]]*\])?\s+)(https?://\S+)", re.MULTILINE)


def find_base(client: Any, wanted: str | None, say: Callable[[str], None]) -> str:
    """The digest of a base image: `wanted`, or one the engine holds, can pull, or that we can make.

    Raises UsageError when there is none.
    """
    for name in [wanted] if wanted else [PUBLISHED, OWN]:
        if found := engines.find_image(client, name):
            return found["Id"]
    if found := _pull(client, wanted or PUBLISHED, say):
        return found
    if wanted is None and os.geteuid() == 0 and shutil.which("debootstrap"):
        return make_base(client, say)
    hint = "as root with debootstrap installed one can be made, or name one with --base"
    raise UsageError(f"no base image can be had: no registry gives {wanted or PUBLISHED}", hint=hint)


def make_base(client: Any, say: Callable[[str], None]) -> str:
    """Makes a Debian with its own Python 3.11 from the host's package mirror; takes about a minute. Needs root."""
    say("no image registry answers: making a base image with debootstrap")
    with tempfile.TemporaryDirectory(prefix="computeswarm-base-") as folder:
        tree, archive = Path(folder) / "tree", Path(folder) / "tree.tar"
        options = ["--variant=minbase", f"--include={_PACKAGES}"]
        _call(["debootstrap", *options, _SUITE, str(tree), *_mirror()])
        left_out = ["--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*", "--exclude=./dev/*"]
        _call(["tar", "--numeric-owner", "--sort=name", *left_out, "-C", str(tree), "-cf", str(archive), "."])
        repository, tag = OWN.split(":")
        with engine_errors():
            client.import_image_from_file(str(archive), repository=repository, tag=tag)
    found = engines.find_image(client, OWN)
    if found is None:
        raise UsageError("the engine did not take the base image")
    return found["Id"]


def _pull(client: Any, name: str, say: Callable[[str], None]) -> str | None:
    say(f"looking for the base image {name}")
    try:
        with engine_errors():
            for event in client.pull(name, stream=True, decode=True):
                if "error" in event:
                    return None
        found = engines.find_image(client, name)
    except SwarmError:
        # Also an engine that answers strangely: what matters is that no image came.
        return None
    return found["Id"] if found else None


def _mirror() -> list[str]:
    """The host's own Debian mirror; elsewhere debootstrap knows one itself."""
    if platform.freedesktop_os_release().get("ID") != "debian":
        return []
    apt = Path("/etc/apt")
    files = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*"))]
    text = "\n".join(path.read_text(errors="replace") for path in files if path.is_file())
    found = [uri for uri in _URI.findall(text) if "security" not in uri]
    return found[:1]


def _call(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        words = (done.stdout + done.stderr).strip().splitlines()[-1:] or ["no reason given"]
        raise UsageError(f"no base image can be had: {command[0]} failed: {words[0][:200]}")
