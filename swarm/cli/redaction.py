# SPDX-License-Identifier: Apache-2.0
"""Takes out of a text what its owner would not tell a stranger: keys, secret parts of addresses, names."""

from __future__ import annotations

import contextlib
import getpass
import re
import socket
from pathlib import Path

# An endpoint's key stands in its user part, path or query: only scheme and host are kept.
_URL = re.compile(r"\b([a-z][a-z0-9+.-]*://)(?:[^\s/@\"']*@)?([^\s/?#\"'\\]+)[^\s\"'\\]*")
# 64 hexadecimal digits may be a private key; that digests go too is the price.
_KEY = re.compile(r"(?<![0-9a-fA-F])(?:0x)?[0-9a-fA-F]{64}(?![0-9a-fA-F])")
_IPFS = "ipfs://"


def redact(text: str) -> str:
    text = _URL.sub(lambda found: found[0] if found[1] == _IPFS else f"{found[1]}{found[2]}/…", text)
    text = _KEY.sub("<64 hex digits>", text)
    for word, instead in _names():
        text = re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w-])", instead, text)
    return text


def _names() -> list[tuple[str, str]]:
    """Longest first, so that a home goes as a whole. Very short names would also hit other words."""
    names = [(str(Path.home()), "~"), (socket.gethostname(), "<host>")]
    with contextlib.suppress(KeyError, OSError):
        names.append((getpass.getuser(), "<user>"))
    return [(word, instead) for word, instead in names if len(word) > 2]
