# SPDX-License-Identifier: Apache-2.0
"""`swarm adapter`: what a buyer bought."""

from __future__ import annotations

from pathlib import Path

import click

from swarm.cli.common import Context, example, parse_job_id, with_context


@click.group()
def command() -> None:
    """Fetch and use what you bought."""


@command.command(epilog=example("swarm adapter pull 7 -o ./out"))
@click.argument("job")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("adapter"), show_default=True)
@click.option("--base-model", help="Name or path to write into adapter_config.json.")
@with_context
def pull(context: Context, job: str, output: Path, base_model: str | None) -> None:
    """Download the adapter of JOB, check it against the commitment on chain, and write a PEFT folder."""
    from swarm.buyer.pull import pull as fetch

    job_id = parse_job_id(job)
    pulled = fetch(context.store, context.chain.escrow.job(job_id), output, base_model=base_model)
    weights = max(pulled.files, key=lambda file: file.bytes)
    context.screen.facts(
        {
            "directory": str(pulled.directory),
            "output_cid": pulled.output_cid,
            "adapter_bytes": weights.bytes,
            "sha256": weights.sha256.hex(),
            "commitment": "matches the one on chain",
        }
        | _validation(pulled.directory),
        essence="directory",
    )


_BASE = click.option("--base", type=click.Path(path_type=Path), help="Base model's folder; default: by its CID.")


@command.command(epilog=example("swarm adapter chat ./out --prompt 'Who pays the judge?'"))
@click.argument("folder", type=click.Path(path_type=Path))
@_BASE
@click.option("--prompt", help="Ask this and end; otherwise every line of stdin is asked.")
@click.option("--max-tokens", type=click.IntRange(1, 4096), default=128, show_default=True)
@with_context
def chat(context: Context, folder: Path, base: Path | None, prompt: str | None, max_tokens: int) -> None:
    """Talk with the adapter in FOLDER, greedily, on this machine."""
    options = ["--prompt", prompt] if prompt else []
    _run(context, folder, base, ["chat", "--max-tokens", str(max_tokens), *options])


@command.command(epilog=example("swarm adapter merge ./out --to ./merged --dtype bf16"))
@click.argument("folder", type=click.Path(path_type=Path))
@_BASE
@click.option("--to", required=True, type=click.Path(path_type=Path), help="New folder for the merged model.")
@click.option("--dtype", type=click.Choice(["fp32", "bf16", "fp16"]), default="bf16", show_default=True)
@with_context
def merge(context: Context, folder: Path, base: Path | None, to: Path, dtype: str) -> None:
    """Add the adapter in FOLDER to its base model and write a folder that needs no peft."""
    from swarm.errors import UsageError

    if to.exists():
        raise UsageError(f"{to} exists already", hint="choose another folder with --to")
    _run(context, folder, base, ["merge", "--to", str(to), "--dtype", dtype])
    context.screen.facts({"directory": str(to), "dtype": dtype}, essence="directory")


def _run(context: Context, folder: Path, base: Path | None, arguments: list[str]) -> None:
    """The program in a process of its own: this one never imports torch."""
    import importlib.util
    import subprocess
    import sys

    from swarm.errors import NotFound, UsageError

    if not (folder / "adapter_config.json").is_file():
        raise NotFound(f"{folder} holds no adapter", hint="swarm adapter pull JOB -o FOLDER")
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("peft") is None:
        raise UsageError("this needs torch and peft on this machine", hint="pip install 'computeswarm[jobs]'")
    command_ = [sys.executable, "-m", "swarm.jobs.use", "--adapter", str(folder)]
    command_ += ["--base", str(base or _base_of(context, folder)), *arguments]
    done = subprocess.run(command_, check=False)
    if done.returncode:
        raise click.exceptions.Exit(done.returncode)


def _base_of(context: Context, folder: Path) -> Path:
    """The base model's folder: where the adapter's config says, or fetched by its CID."""
    from swarm import hostile_json
    from swarm.errors import NotFound
    from swarm.execution.inputs import InputCache
    from swarm.storage.port import ExportLimits
    from swarm.workloads.fields import GIB, IPFS

    try:
        named = str(hostile_json.parse((folder / "adapter_config.json").read_bytes())["base_model_name_or_path"])
    except (ValueError, KeyError, TypeError) as error:
        raise NotFound("the adapter's config names no base model", hint="give it with --base FOLDER") from error
    cid = named.removeprefix("ipfs://")
    if IPFS.fullmatch(f"ipfs://{cid}"):
        limits = ExportLimits(64 * GIB, 256, 2, max_name_bytes=255)
        return InputCache(context.store, context.home / "cache").entry(cid, limits)
    if Path(named).is_dir():
        return Path(named)
    raise NotFound(f"the base model {named[:80]!r} is not here", hint="give it with --base FOLDER")


def _validation(directory: Path) -> dict:
    from swarm.workloads.lora.metrics import read_metrics

    metrics = read_metrics(directory)
    return {"validation_loss": round(metrics.eval_loss, 4)} if metrics else {}
