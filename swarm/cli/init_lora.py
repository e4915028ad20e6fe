# SPDX-License-Identifier: Apache-2.0
"""`swarm init lora`: looks through the data and the model, and writes a commented lora.yaml."""

from __future__ import annotations

import os
from pathlib import Path

import click

from swarm.cli.common import Context, example, with_context
from swarm.cli.data import data_options, dataset_keys, guess_format, look_through, scalar

_LEAST, _MOST = 128, 2048  # tokens of sequence_len that are proposed
_CHARACTERS_PER_TOKEN = 3  # cautious: English text has four or more
_TEMPLATE_TOKENS = 64  # what a chat template adds


@click.command(epilog=example("swarm init lora --data chats.jsonl --base ./smollm2"))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="JSONL: chats, alpaca, prompts, text.")
@click.option("--base", required=True, help="Model folder, ipfs://CID or hf://models/ORG/NAME@REVISION.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("lora.yaml"), show_default=True)
@click.option("--epochs", type=click.FloatRange(0, min_open=True), default=3, show_default=True)
@click.option("--max-spend", default="10", show_default=True, help="Tokens: the most the job can ever cost.")
@data_options
@with_context
def command(context: Context, data: Path, base: str, output: Path, skip_invalid: bool, dedupe: bool, **options) -> None:
    """Check the data line by line, look at the model, and write a commented spec."""
    from swarm.errors import UsageError
    from swarm.workloads.spec import load_spec

    if output.exists():
        raise UsageError(f"{output} exists already", hint="choose another file with -o")
    format_ = guess_format(data)
    used, survey = look_through(context, data, format_, skip_invalid=skip_invalid, dedupe=dedupe)
    base = base if base.startswith(("hf://", "ipfs://")) else _relative(Path(base.removeprefix("file:")), output)
    length = _length(survey.longest, _context_of(context, base, output))
    text = _TEMPLATE.format(
        name=_name(data),
        base=scalar(base),
        dataset=_dataset(_relative(used, output), dataset_keys(format_)),
        validation=0.05 if survey.examples >= 100 else 0,
        length=length,
        epochs=f"{options['epochs']:g}",
        max_spend=scalar(options["max_spend"]),
    )
    output.write_text(text, "utf-8")
    try:
        load_spec(output)
    except Exception:
        output.unlink()
        raise
    facts = {"spec": str(output), "data": str(used), "type": format_.type} | survey.facts()
    if context.screen.mode == "human":
        click.echo(f"Wrote {output} ({len(text.splitlines())} lines). Next: swarm job post {output} --dry-run")
    else:
        context.screen.facts(facts | {"sequence_len": length}, essence="spec")


def _relative(path: Path, output: Path) -> str:
    return "file:" + os.path.relpath(path.absolute(), output.absolute().parent)


def _name(data: Path) -> str:
    name = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-" for letter in data.stem
    )
    return name.lstrip("._-")[:64] or "lora"


def _context_of(context: Context, base: str, output: Path) -> int | None:
    """How many tokens the model takes, where it lies here. Raises SpecError for a folder no job accepts."""
    from swarm.errors import IntegrityError, NotFound, SpecError
    from swarm.workloads.model_folder import read_model_folder

    if not base.startswith("file:"):
        context.screen.note(f"· {base} is looked at when the job is posted")
        return None
    folder = output.absolute().parent / base.removeprefix("file:")
    if not folder.is_dir():
        raise NotFound(f"{folder} is no folder", hint="a base model is a folder with config.json and *.safetensors")
    try:
        model = read_model_folder(folder)
    except IntegrityError as error:
        raise SpecError(f"base_model: {error.message}") from error
    parameters = sum(_product(info.shape) for info in model.tensors.values())
    context.screen.note(
        f"✓ {folder.name}   {model.config.get('model_type', 'unknown')} · {parameters / 1e6:,.1f} M parameters · "
        f"context {model.context or 'unknown'}"
    )
    return model.context


def _product(shape: tuple[int, ...]) -> int:
    found = 1
    for size in shape:
        found *= size
    return found


def _length(characters: int, most: int | None) -> int:
    length = _LEAST
    while length < min(characters / _CHARACTERS_PER_TOKEN + _TEMPLATE_TOKENS, _MOST):
        length *= 2
    return min(length, most or length)


def _dataset(path: str, keys: dict) -> str:
    lines = [f"- path: {scalar(path)}"]
    for key, value in keys.items():
        if isinstance(value, dict):
            inner = ", ".join(f"{name}: {scalar(text)}" for name, text in value.items())
            lines.append(f"    {key}: {{ {inner} }}")
        else:
            lines.append(f"    {key}: {value}")
    return "\n".join(lines)


_TEMPLATE = """\
# yaml-language-server: $schema=docs/schema/v1/lora.json
version: 1
type: lora
name: {name}
base_model: {base}
datasets:
  {dataset}
val_set_size: {validation}            # share kept apart; its loss is measured at the end (0: none)

training:                     # axolotl's names; docs/spec.md has every key
  adapter: lora
  lora_r: 8                   # more learns more and costs more
  lora_alpha: 16
  lora_target_linear: true    # or lora_target_modules: [q_proj, v_proj]
  sequence_len: {length}           # longer examples are cut
  micro_batch_size: 4
  gradient_accumulation_steps: 1
  num_epochs: {epochs}               # or max_steps
  learning_rate: 2.0e-4
  lr_scheduler: cosine
  warmup_ratio: 0.03
  gradient_checkpointing: false   # true: less memory, more time, the same numbers
  bf16: auto                  # the hardware class decides
  seed: 1234                  # judges repeat the job with it

hardware_class: cpu-fp32      # which machines may take it, and who can check them
budget: {{ max_total: {max_spend} }}   # the most you can ever pay; the rest returns
timeout: 2h                   # running time; preparing is not counted
start_within: 24h             # taken back when nobody starts
# checkpoint: {{ every_steps: 10 }}       # default: a twentieth of the steps
# sellers: {{ where: "reputation >= 97" }}
# retry: {{ max_attempts: 3 }}            # sellers who may finish it one after the other
"""
