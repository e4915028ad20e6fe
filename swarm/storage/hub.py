# SPDX-License-Identifier: Apache-2.0
"""Base models from the Hugging Face Hub, for the buyer's machine only; a seller gets the files by CID.

A branch or tag is resolved to the commit it stands for, and that commit is downloaded: plain data files only, never a
pickle. The token comes from HF_TOKEN and goes nowhere but to the Hub. The only importer of huggingface_hub, which is
optional.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from swarm.errors import NotFound, SpecError, TransientError, UsageError

ALLOWED_SUFFIXES = (".safetensors", ".json", ".jinja", ".txt", ".model")
MAX_BYTES = 64 << 30
MAX_FILES = 256
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository; its size where the Hub says it."""

    name: str
    bytes: int | None


class Hub(Protocol):
    """What a hub offers."""

    def look_up(self, repo: str, revision: str) -> tuple[str, Sequence[RemoteFile]]:
        """The commit and its files. Raises NotFound, UsageError, TransientError."""

    def download(self, repo: str, commit: str, name: str, target: Path) -> None:
        """Writes one file into the folder `target`. Raises as `look_up`."""


def fetch_model(hub: Hub, repo: str, revision: str, directory: Path) -> Path:
    """The model's folder below `directory`, downloaded once for a commit; it appears whole or not at all.

    Raises SpecError when it has no safetensors weights, NotFound, UsageError, TransientError.
    """
    place = directory / repo.replace("/", "--")
    if _COMMIT.fullmatch(revision) and (place / revision).is_dir():
        return place / revision
    commit, files = hub.look_up(repo, revision)
    if not _COMMIT.fullmatch(commit):
        raise TransientError(f"the hub names no commit for {repo}@{revision}")
    folder = place / commit
    if folder.is_dir():
        return folder
    wanted = _wanted(repo, files)
    partial = place / f"{commit}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file in wanted:
        hub.download(repo, commit, file.name, partial)
    for entry in partial.iterdir():  # what a downloader keeps for itself
        if entry.is_dir():
            shutil.rmtree(entry)
    partial.rename(folder)
    return folder


def _wanted(repo: str, files: Sequence[RemoteFile]) -> list[RemoteFile]:
    plain = [file for file in files if _NAME.fullmatch(file.name) and file.name.endswith(ALLOWED_SUFFIXES)]
    # Mistral's repositories hold the weights a second time in another layout.
    wanted = [file for file in plain if not file.name.startswith("consolidated")]
    if not any(file.name.endswith(".safetensors") for file in wanted):
        raise SpecError(f"base_model: {repo} has no safetensors weights, and pickles are never loaded")
    size = sum(file.bytes or 0 for file in wanted)
    if size > MAX_BYTES or len(wanted) > MAX_FILES:
        raise SpecError(f"base_model: {repo} has {len(wanted)} files of {size >> 30} GiB, expected at most 64 GiB")
    return wanted


class HuggingFace:
    """The Hub through huggingface_hub."""

    def __init__(self) -> None:
        try:
            import huggingface_hub
        except ImportError as error:
            hint = "pip install huggingface_hub, or give a local folder"
            raise UsageError("hf:// needs the package huggingface_hub", hint=hint) from error
        self._library = huggingface_hub
        # False: not even a token that another program stored on this machine.
        self._token = os.environ.get("HF_TOKEN") or False

    def look_up(self, repo: str, revision: str) -> tuple[str, Sequence[RemoteFile]]:
        try:
            found = self._library.HfApi(token=self._token).model_info(
                repo, revision=revision, files_metadata=True, timeout=30
            )
        except Exception as error:
            raise self._refusal(repo, revision, error) from error
        files = [RemoteFile(sibling.rfilename, sibling.size) for sibling in found.siblings or ()]
        return found.sha or "", files

    def download(self, repo: str, commit: str, name: str, target: Path) -> None:
        try:
            self._library.hf_hub_download(repo, name, revision=commit, local_dir=target, token=self._token)
        except Exception as error:
            raise self._refusal(repo, commit, error) from error

    def _refusal(self, repo: str, revision: str, error: Exception) -> Exception:
        """Which of our errors it is. Its transport raises anything, so the rest is the network."""
        errors = self._library.errors
        if isinstance(error, errors.GatedRepoError):
            hint = "accept its licence on the Hub, then set HF_TOKEN; the token stays on this machine"
            return UsageError(f"base_model: {repo} is gated", hint=hint)
        missing = errors.RepositoryNotFoundError | errors.RevisionNotFoundError | errors.RemoteEntryNotFoundError
        if isinstance(error, missing):
            return NotFound(f"base_model: the Hub has no {repo}@{revision}", hint="private ones need HF_TOKEN")
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        return TransientError(f"the Hugging Face Hub cannot be reached: {reason}", hint="or give a local folder")
