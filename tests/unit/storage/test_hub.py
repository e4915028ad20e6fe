# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from swarm.errors import NotFound, SpecError, SwarmError, TransientError, UsageError
from swarm.storage.hub import HuggingFace, RemoteFile, fetch_model

COMMIT = "c" * 40


class FakeHub:
    """A hub with one repository; it counts what is asked of it."""

    def __init__(self, *names: str, size: int | None = 10, commit: str = COMMIT) -> None:
        self.files = [RemoteFile(name, size) for name in names]
        self.commit = commit
        self.asked: list[str] = []

    def look_up(self, repo: str, revision: str) -> tuple[str, Sequence[RemoteFile]]:
        self.asked.append(revision)
        return self.commit, self.files

    def download(self, repo: str, commit: str, name: str, target: Path) -> None:
        self.asked.append(name)
        (target / ".cache").mkdir(exist_ok=True)
        (target / name).write_text(commit)


GOOD = ("config.json", "model.safetensors", "tokenizer.model", "chat_template.jinja")
BAD = ("pytorch_model.bin", "modeling_x.py", "consolidated.safetensors", "onnx/model.safetensors", "../x.json", ".json")


def test_fetches_plain_data_files_of_the_commit_and_nothing_else(tmp_path: Path) -> None:
    folder = fetch_model(FakeHub(*GOOD, *BAD), "org/name", "main", tmp_path)
    assert folder == tmp_path / "org--name" / COMMIT
    assert {path.name: path.read_text() for path in folder.iterdir()} == dict.fromkeys(GOOD, COMMIT)


def test_a_commit_is_downloaded_once(tmp_path: Path) -> None:
    hub = FakeHub(*GOOD)
    first = fetch_model(hub, "org/name", "main", tmp_path)
    hub.asked.clear()
    assert fetch_model(hub, "org/name", "main", tmp_path) == first
    assert hub.asked == ["main"]
    hub.asked.clear()
    assert fetch_model(hub, "org/name", COMMIT, tmp_path) == first
    assert hub.asked == []


@pytest.mark.parametrize(
    ("hub", "error", "words"),
    [
        (
            FakeHub("config.json", "pytorch_model.bin"),
            SpecError,
            "no safetensors weights, and pickles are never loaded",
        ),
        (FakeHub("model.safetensors", size=65 << 30), SpecError, "expected at most 64 GiB"),
        (FakeHub(*GOOD, commit="main"), TransientError, "names no commit"),
    ],
)
def test_refuses_a_repository(tmp_path: Path, hub: FakeHub, error: type[SwarmError], words: str) -> None:
    with pytest.raises(error, match=words):
        fetch_model(hub, "org/name", "main", tmp_path)


def test_a_download_that_breaks_off_leaves_no_model(tmp_path: Path) -> None:
    class Broken(FakeHub):
        def download(self, repo: str, commit: str, name: str, target: Path) -> None:
            raise TransientError("gone")

    with pytest.raises(TransientError):
        fetch_model(Broken(*GOOD), "org/name", "main", tmp_path)
    assert not (tmp_path / "org--name" / COMMIT).exists()


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = HuggingFace()
    monkeypatch.setattr(hub._library.HfApi, "model_info", _raise(OSError("no route\nto host")))
    with pytest.raises(TransientError, match="the Hugging Face Hub cannot be reached: no route") as caught:
        hub.look_up("org/name", "main")
    assert caught.value.exit_code == 8
    assert "\n" not in str(caught.value)


def test_what_the_hub_does_not_have_is_the_person_s_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = HuggingFace()
    for kind, error in (("RepositoryNotFoundError", NotFound), ("GatedRepoError", UsageError)):
        failure = getattr(hub._library.errors, kind).__new__(getattr(hub._library.errors, kind))
        monkeypatch.setattr(hub._library.HfApi, "model_info", _raise(failure))
        with pytest.raises(error):
            hub.look_up("org/name", "main")


def test_only_the_environment_s_token_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert HuggingFace()._token is False
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert HuggingFace()._token == "hf_x"


def _raise(error: Exception):
    def model_info(*arguments, **options):
        raise error

    return model_info
