# SPDX-License-Identifier: Apache-2.0
"""Where a base model may be: a folder, content, or a repository of the Hugging Face Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from swarm.workloads.fields import IPFS

_FILE = re.compile(r"file:[^\x00-\x1f]{1,4096}")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_HUB = re.compile(rf"hf://models/(?P<repo>{_NAME}/{_NAME})(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9._/-]{{0,127}}))?")
EXPECTED = "file:FOLDER, ipfs://CID (CIDv1, base32, sha2-256) or hf://models/ORG/NAME@REVISION"


@dataclass(frozen=True, slots=True)
class HubModel:
    """A repository and what was asked for: a commit, branch or tag."""

    repo: str
    revision: str


def hub_model(uri: str) -> HubModel | None:
    """What an `hf://` URI names, or None for any other."""
    match = _HUB.fullmatch(uri)
    return HubModel(match["repo"], match["revision"] or "main") if match else None


def _model(value: str) -> str:
    if not (IPFS.fullmatch(value) or _FILE.fullmatch(value) or hub_model(value)):
        raise ValueError(EXPECTED)
    return value


ModelUri = Annotated[str, AfterValidator(_model)]
