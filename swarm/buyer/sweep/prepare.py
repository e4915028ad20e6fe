# SPDX-License-Identifier: Apache-2.0
"""Begins a sweep: pins model, training and validation data, and decides whether a trial is a segment or a job."""

from __future__ import annotations

import hashlib
import math
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarm.buyer.offer import price_within
from swarm.buyer.prepare import prepare
from swarm.buyer.sweep.book import Header
from swarm.buyer.sweep.ledger import Task
from swarm.buyer.sweep.plan import Limits, share_of
from swarm.errors import NotFound, SpecError
from swarm.execution.inputs import InputCache, cid_of, limits_of
from swarm.storage.port import Store
from swarm.units import DECIMALS, format_amount
from swarm.workloads.container.spec import ContainerSpec
from swarm.workloads.dataset import check_dataset
from swarm.workloads.fields import IPFS, Need
from swarm.workloads.lora.spec import LoraSpec
from swarm.workloads.sweep.rungs import pieces_of, rungs_of
from swarm.workloads.sweep.search import Sweep
from swarm.workloads.sweep.trial import in_steps
from swarm.workloads.tensors import read_model_headers
from swarm.workloads.verification import Verification

# What one core of a desktop gives: 36 measured for SmolLM2-135M, one thread, AVX2; half of it to be on the safe side.
FLOPS_A_SECOND = 18e9
_TOKENS = ("micro_batch_size", "gradient_accumulation_steps", "sequence_len")  # a step
_UNCHECKED = "and its metrics are the seller's word alone (determinism: none)"
FLOPS_A_TOKEN = 6  # a parameter: two forwards, four backwards


@dataclass(frozen=True, slots=True)
class Size:
    """How trials are posted. `seconds` is the estimate for the longest piece of one."""

    is_job: bool
    seconds: float
    reason: str
    piece_steps: int = 0  # where trials go piece by piece because a rung is too long for a segment


def limits_of_sweep(sweep: Sweep) -> Limits:
    """The sweep's caps in the token's smallest unit, rounded down."""
    total, per_run = (int(amount.scaleb(DECIMALS)) for amount in (sweep.budget.max_total, sweep.per_run))
    return Limits(total, per_run, sweep.parallel)


def begin(
    sweep: Sweep, store: Store, *, base: Path, home: Path, engine: str | None, fee_min: int, first_job: int
) -> Header:
    """Pins what the sweep names; relative paths are meant from `base`. Nothing is sent to the chain.

    Raises SpecError (with the line of bad data), NotFound, IntegrityError.
    """
    cache = home / "cache"
    inputs = InputCache(store, cache)
    if sweep.program:
        return _begin_program(sweep, sweep.program, store, base=base, cache=cache, fee_min=fee_min, first_job=first_job)
    _require_exact(sweep.lora)
    scratch = home / "sweeps" / f"begin-{secrets.token_hex(4)}"
    try:
        data = _data(sweep, inputs, base, scratch)
        prepared = prepare(data.template, store, base=base, cache=cache, engine=engine)
        resolved = prepared.spec
        assert isinstance(resolved, LoraSpec)
        check_dataset(data.validation, format_=data.template.datasets[0].format)
        validation_uri = data.uri if _is_content(data.uri) else f"ipfs://{store.add(data.validation)}"
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    # What resolving fixed holds for every trial; the first state is each trial's own.
    settled = {"training": resolved.training, "run_seconds": resolved.run_seconds, "val_set_size": 0.0}
    kept = sweep.lora.model_copy(update=settled | {"test_datasets": ()})
    fixed = sweep.model_copy(update={"template": kept})
    size = size_of(fixed, read_model_headers(_folder(resolved.base_model, inputs)), data.facts["examples"])
    require_affordable(fixed, size, fee_min)
    return Header(
        sweep_id=f"s-{secrets.token_hex(3)}",
        sweep=fixed,
        engine=resolved.engine,
        base_model=resolved.base_model,
        dataset=resolved.datasets[0].path,
        validation=str(validation_uri),
        evaluate_apart=size.is_job,
        reason=size.reason,
        first_job=first_job,
        fee_min=fee_min,
        facts=data.facts,
        piece_steps=size.piece_steps,
    )


def _begin_program(
    sweep: Sweep, program: ContainerSpec, store: Store, *, base: Path, cache: Path, fee_min: int, first_job: int
) -> Header:
    prepared = prepare(program, store, base=base, cache=cache).spec
    fixed = sweep.model_copy(update={"template": prepared})
    steps = sweep.trial_steps
    pieces = pieces_of(rungs_of(sweep.early_terminate, steps, 0), 0)
    _require_paid(limits_of_sweep(fixed), [Task("", at, *pair) for at, pair in enumerate(pieces)], steps, fee_min)
    is_exact = prepared.verification is Verification.EXACT
    return Header(
        sweep_id=f"s-{secrets.token_hex(3)}",
        sweep=fixed,
        engine=prepared.engine,
        base_model="",
        dataset="",
        validation="",
        evaluate_apart=False,
        reason="each trial is a container job, " + ("repeated by judges" if is_exact else _UNCHECKED),
        first_job=first_job,
        fee_min=fee_min,
        facts={},
    )


def size_of(sweep: Sweep, model: dict, examples: int) -> Size:
    """Whether a trial fits a segment: a judge must repeat it within `segment_seconds`."""
    limit = sweep.lora.segment_seconds
    parameters = sum(math.prod(info.shape) for info in model.values())
    tokens = math.prod(_largest(sweep, name) for name in _TOKENS)
    ends = rungs_of(sweep.early_terminate, _most_steps(sweep, examples), 0)
    longest = max(last - first for first, last in pieces_of(ends, 0))
    step = FLOPS_A_TOKEN * parameters * tokens / FLOPS_A_SECOND / sweep.lora.training.threads
    seconds = step * longest
    words = f"about {seconds:,.0f} s a piece of {longest} steps, segment_seconds is {limit}"
    if sweep.trial_as != "auto":
        return Size(sweep.trial_as == "job", seconds, f"trial_as: {sweep.trial_as} ({words})")
    if seconds <= limit:
        return Size(False, seconds, f"each trial is a segment: {words}")
    if sweep.early_terminate and (steps := int(limit / step)):
        return Size(False, step * steps, f"each trial goes piece by piece of {steps} steps: {words}", steps)
    return Size(True, seconds, f"each trial is a job of its own: {words}")


def _most_steps(sweep: Sweep, examples: int) -> int:
    """Of the longest trial."""
    epochs = [group["num_epochs"] for group in sweep.bundles if "num_epochs" in group]
    epochs += sweep.space["num_epochs"].ends() if "num_epochs" in sweep.space else ()
    if not epochs:
        return _largest(sweep, "max_steps")
    return max(in_steps(sweep.lora.training, {"num_epochs": each}, examples)["max_steps"] for each in epochs)


def _largest(sweep: Sweep, name: str) -> int:
    """The largest value a whole-numbered hyperparameter takes in any trial."""
    found = [getattr(sweep.lora.training, name), *(group[name] for group in sweep.bundles if name in group)]
    return max([*found, *(sweep.space[name].ends() if name in sweep.space else ())])


def require_affordable(sweep: Sweep, size: Size, fee_min: int) -> None:
    """The smallest piece of a run must pay for its audit. Raises SpecError."""
    limits, steps = limits_of_sweep(sweep), sweep.lora.training.max_steps
    if size.is_job:
        pieces = [Task("", 0, 0, steps, is_job=True), Task("", 1, steps, steps)]
    else:
        ends = rungs_of(sweep.early_terminate, steps, 0)
        pieces = [Task("", at, *pair) for at, pair in enumerate(pieces_of(ends, size.piece_steps))]
    _require_paid(limits, pieces, steps, fee_min)


def _require_paid(limits: Limits, pieces: list[Task], steps: int, fee_min: int) -> None:
    least = min(share_of(limits, piece, steps) for piece in pieces)
    try:
        price_within(least, 1, fee_min)
    except SpecError as error:
        share = format_amount(least, places=9)
        raise SpecError(f"budget: a piece of a run may cost {share}, which does not pay for an audit") from error


def _require_exact(template: LoraSpec) -> None:
    if template.hardware_class != "cpu-fp32" or template.training.precision != "fp32":
        raise SpecError("template: expected hardware_class cpu-fp32 and precision fp32, to compare small differences")
    if template.test_datasets and template.test_datasets[0].format != template.datasets[0].format:
        raise SpecError("template.test_datasets: expected the form of template.datasets, which trials read both by")


@dataclass(frozen=True, slots=True)
class _Data:
    """The template with its training data alone, the validation file and the URI it was named by, if it was."""

    template: LoraSpec
    validation: Path
    uri: str | None
    facts: dict


def _data(sweep: Sweep, inputs: InputCache, base: Path, scratch: Path) -> _Data:
    """Validation data is the sweep's own, or the template's, or held out of the training data."""
    template = sweep.lora.model_copy(update={"val_set_size": 0.0, "test_datasets": ()})
    data = _path(Need("train.jsonl", template.datasets[0].path, 4 << 30), inputs, base)
    examples = check_dataset(data, format_=template.datasets[0].format).examples
    own = [dataset.path for dataset in sweep.lora.test_datasets]
    if uri := sweep.validation or next(iter(own), None):
        return _Data(template, _path(Need("validation.jsonl", uri, 1 << 30), inputs, base), uri, {"examples": examples})
    has_share = "val_set_size" in sweep.model_fields_set or not sweep.lora.val_set_size
    share = sweep.val_set_size if has_share else sweep.lora.val_set_size
    held = held_out(examples, share, template.training.seed)
    scratch.mkdir(parents=True)
    train, validation = scratch / "train.jsonl", scratch / "validation.jsonl"
    _split(data, held, train, validation)
    dataset = template.datasets[0].model_copy(update={"path": f"file:{train.resolve()}"})
    facts = {"examples": examples - len(held), "validation_examples": len(held)}
    return _Data(template.model_copy(update={"datasets": (dataset,)}), validation, None, facts)


def held_out(examples: int, share: float, seed: int) -> set[int]:
    """Which lines (0-based) are held out: those whose sha256 of seed and number is smallest, at least one.

    Raises SpecError when nothing would be left to train on."""
    count = max(1, round(examples * share))
    if count >= examples:
        raise SpecError(f"val_set_size: found {share}, which leaves nothing of {examples} example(s) to train on")

    def rank(line: int) -> bytes:
        return hashlib.sha256(f"computeswarm/held-out/v1/{seed}/{line}".encode()).digest()

    return set(sorted(range(examples), key=rank)[:count])


def _split(data: Path, held: set[int], train: Path, validation: Path) -> None:
    with train.open("wb") as left, validation.open("wb") as right:
        for number, line in enumerate(_lines(data)):
            (right if number in held else left).write(line)


def _lines(data: Path) -> Iterator[bytes]:
    with data.open("rb") as file:
        for line in file:
            yield line if line.endswith(b"\n") else line + b"\n"


def _path(need: Need, inputs: InputCache, base: Path) -> Path:
    if need.is_content:
        return inputs.entry(cid_of(need.uri), limits_of(need))
    path = base / need.uri.removeprefix("file:")
    if not path.is_file():
        raise NotFound(f"{path} does not exist", hint="paths are meant from the sweep file's folder")
    return path


def _folder(uri: str, inputs: InputCache) -> Path:
    need = Need("model", uri, 64 << 30, max_files=256, max_depth=2)
    return inputs.entry(cid_of(uri), limits_of(need))


def _is_content(uri: str | None) -> bool:
    return bool(uri and IPFS.fullmatch(uri))
