# SPDX-License-Identifier: Apache-2.0
"""Uses a delivered adapter on its buyer's own machine: `python -m swarm.jobs.use --base F --adapter F chat | merge`.

Base and adapter are looked at as a seller would: plain data files only, and the adapter as safetensors.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from swarm.errors import SwarmError
from swarm.workloads.lora.initial import ADAPTER_FILE
from swarm.workloads.tensors import read_header

_TOKENIZER = ("tokenizer*", "special_tokens_map.json", "chat_template.jinja", "vocab*", "merges.txt", "*.model")


def main() -> None:
    options = _options()
    read_header(options.adapter / ADAPTER_FILE)
    if options.verb == "merge":
        merge(options.base, options.adapter, options.to, options.dtype)
    else:
        chat(options.base, options.adapter, options.prompt, options.max_tokens)


def chat(base: Path, adapter: Path, prompt: str | None, max_tokens: int) -> None:
    """Answers one prompt, or every line of standard input."""
    import torch

    from swarm.jobs.chat import ChatEncoder
    from swarm.jobs.evaluate import answer

    encoder = ChatEncoder(base)
    model = _with_adapter(base, adapter).eval()
    is_terminal = sys.stdin.isatty() and prompt is None
    with torch.inference_mode():
        for line in [prompt] if prompt else sys.stdin:
            if line.strip():
                print(answer(model, encoder, line.strip(), max_tokens), flush=True)
            if is_terminal:
                print("> ", end="", flush=True)


def merge(base: Path, adapter: Path, target: Path, dtype: str) -> None:
    """Writes the merged model with the base's tokenizer; `target` appears whole or not at all."""
    import torch

    model = _with_adapter(base, adapter).merge_and_unload()
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[dtype]
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.to(kind).save_pretrained(partial)
    for pattern in _TOKENIZER:
        for path in base.glob(pattern):
            shutil.copyfile(path, partial / path.name)
    partial.rename(target)


def _with_adapter(base: Path, adapter: Path) -> Any:
    from peft import PeftModel

    from swarm.jobs.model import load_model

    return PeftModel.from_pretrained(load_model(base), adapter, local_files_only=True, use_safetensors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Talk with an adapter, or add it to its base model.")
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, required=True)
    verbs = parser.add_subparsers(dest="verb", required=True)
    talking = verbs.add_parser("chat")
    talking.add_argument("--prompt")
    talking.add_argument("--max-tokens", type=int, default=128)
    merging = verbs.add_parser("merge")
    merging.add_argument("--to", type=Path, required=True)
    merging.add_argument("--dtype", choices=["fp32", "bf16", "fp16"], default="bf16")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except SwarmError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
