# SPDX-License-Identifier: Apache-2.0
"""The sweep a person writes, under W&B's names, over a LoRA template or a program in a container. It never travels:
the controller turns it into jobs.

    load_sweep(path) → Sweep          the file; `template` may name another file beside it
    Sweep.space                       what a trial's parameters are drawn from

Every refusal is a SpecError of one line, as for the specs of jobs.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from swarm.errors import SpecError
from swarm.workloads.container.spec import ContainerSpec
from swarm.workloads.fields import MAX_SEGMENTS, Identifier, Integer, Number, Strict, Uri, no_boolean
from swarm.workloads.lora.spec import LoraSpec, Training
from swarm.workloads.refusal import first_refusal
from swarm.workloads.spec import parse_spec, read_mapping
from swarm.workloads.sweep.distributions import Distribution, distribution_of
from swarm.workloads.sweep.metrics import NAMES, Metrics
from swarm.workloads.sweep.program import MAX_NAME, Reported, require_fit, unknown_parameter
from swarm.workloads.sweep.rungs import EarlyTerminate
from swarm.workloads.sweep.trial import FIXED, PREFIX, merged, without_epochs

MAX_RUNS = 100_000
_ELSEWHERE = {
    "lr": "learning_rate",
    "rank": "lora_r",
    "alpha": "lora_alpha",
    "batch_size": "micro_batch_size",
    "warmup_ratio": "warmup_steps",
}
Tokens = Annotated[Decimal, BeforeValidator(no_boolean), Field(gt=0, le=10**12, decimal_places=18)]
Count = Annotated[Integer, Field(ge=1, le=MAX_RUNS)]


class Metric(Strict):
    """What makes a trial better: a loss of a LoRA template, or any number that a program reports."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)] = "eval_loss"
    goal: Literal["minimize", "maximize"] = "minimize"

    def score(self, found: Metrics | Reported | None) -> float | None:
        """What a trial showed, the lower the better; None where it failed."""
        value = found.value(self.name) if found else None
        return -value if value is not None and self.goal == "maximize" else value


class AbortIf(Strict):
    """When the sweep stops spending by itself."""

    consecutive_failures: Annotated[Integer, Field(ge=1, le=1000)] = 3


class SweepBudget(Strict):
    """Whole tokens. `max_total` is a hard cap on everything the sweep can ever cost."""

    max_total: Tokens
    max_per_run: Tokens | None = None


class Keep(Strict):
    """Whose adapters are fetched at the end; of the others the metrics stay."""

    best: Annotated[Integer, Field(ge=0, le=1000)] = 1


class Sweep(Strict):
    """A search over the trainings of one LoRA template, or over the parameters of one program."""

    version: Literal[1] = 1
    type: Literal["sweep"]
    name: Identifier
    method: Literal["grid", "random", "bayes"] = "bayes"
    metric: Metric = Metric()
    run_cap: Count = 20
    parallel: Annotated[Integer, Field(ge=1, le=MAX_SEGMENTS)] = 4
    per_job: Annotated[Integer, Field(ge=1, le=MAX_SEGMENTS)] = 4
    trial_as: Literal["auto", "segment", "job"] = "auto"
    seed: Annotated[Integer, Field(ge=0, lt=1 << 63)] = 0
    parameters: dict[str, Distribution] = Field(default_factory=dict)
    groups: tuple[dict[str, Any], ...] = ()
    early_terminate: EarlyTerminate | None = None
    canary: Annotated[Integer, Field(ge=0, le=100)] = 1
    abort_if: AbortIf = AbortIf()
    max_attempts: Annotated[Integer, Field(ge=1, le=20)] = 3
    budget: SweepBudget
    keep_artifacts: Keep = Keep()
    validation: Uri | None = None
    val_set_size: Annotated[Number, Field(gt=0, lt=1)] = 0.1
    template: Annotated[LoraSpec | ContainerSpec, Field(discriminator="type")]

    @property
    def program(self) -> ContainerSpec | None:
        """The template where it is a program in a container."""
        return self.template if isinstance(self.template, ContainerSpec) else None

    @property
    def lora(self) -> LoraSpec:
        """The template where it is a training."""
        assert isinstance(self.template, LoraSpec)
        return self.template

    @property
    def space(self) -> dict[str, Distribution]:
        """Parameter names (a training's without the prefix) → their distributions, in order of name."""
        return {name.removeprefix(PREFIX): self.parameters[name] for name in sorted(self.parameters)}

    @property
    def trial_steps(self) -> int:
        """How many steps a whole trial of a program has; 1 where nothing stops it early."""
        return (self.early_terminate and self.early_terminate.max_iter) or 1

    @property
    def bundles(self) -> tuple[dict[str, Any], ...]:
        """The groups without the prefix; one of them holds for each trial."""
        return tuple({name.removeprefix(PREFIX): value for name, value in group.items()} for group in self.groups)

    @property
    def per_run(self) -> Decimal:
        """The most one run may cost."""
        return self.budget.max_per_run or self.budget.max_total / self.run_cap

    def grid(self) -> list[dict[str, Any]]:
        """Every combination, the last name fastest."""
        names = list(self.space)
        rows = itertools.product(*(self.space[name].points() for name in names))
        found = [dict(zip(names, row, strict=True)) for row in rows]
        return [row | bundle for bundle in (self.bundles or ({},)) for row in found]

    @model_validator(mode="after")
    def _fits(self) -> Sweep:
        _check_metric(self)
        _check_keys(self)
        _check_values(self)
        if self.method == "grid":
            size = 1
            for name, distribution in self.space.items():
                if not distribution.is_discrete:
                    raise ValueError(f"parameters.{PREFIX}{name}: method grid needs values, or a step q")
                size *= len(distribution.points())
            if size > MAX_RUNS:
                raise ValueError(f"parameters: the grid has {size} points, expected at most {MAX_RUNS}")
        if self.budget.max_per_run and self.budget.max_per_run > self.budget.max_total:
            raise ValueError("budget.max_per_run: more than budget.max_total")
        return self


def _check_metric(sweep: Sweep) -> None:
    stops = sweep.early_terminate
    if sweep.program:
        if stops and stops.max_iter is None:
            raise ValueError("early_terminate.max_iter: missing, expected how many steps a whole trial has")
        return
    if sweep.metric.name not in NAMES:
        raise ValueError(f"metric.name: found {sweep.metric.name!r}, expected {' or '.join(NAMES)}")
    if sweep.metric.goal == "maximize":
        raise ValueError(f"metric.goal: found 'maximize', expected minimize, because {sweep.metric.name} is a loss")
    if stops and stops.max_iter is not None:
        raise ValueError("early_terminate.max_iter: expected nothing: a training's own steps are its length")


def _check_keys(sweep: Sweep) -> None:
    grouped = {name for group in sweep.groups for name in group}
    if not sweep.parameters and not grouped:
        raise ValueError("parameters: nothing to search over")
    for place, names in (("parameters", sweep.parameters), ("groups", sorted(grouped))):
        for name in names:
            if refusal := unknown_parameter(name) if sweep.program else unknown_key(name):
                raise ValueError(f"{place}.{name[:60]}: {refusal}")
    if twice := sorted(grouped & sweep.parameters.keys()):
        raise ValueError(f"groups.{twice[0]}: stands in parameters too")
    said = {name.removeprefix(PREFIX) for name in grouped | sweep.parameters.keys()}
    if not sweep.program and {"num_epochs", "max_steps"} <= said:
        raise ValueError(f"parameters.{PREFIX}num_epochs: found it and {PREFIX}max_steps, expected one of them")
    if any(set(group) != grouped for group in sweep.groups):
        raise ValueError("groups: every group must set the same keys")


def unknown_key(name: str) -> str | None:
    """Why a dotted key cannot be searched over, with a suggestion; None when it can."""
    import difflib

    # What a person may write in another way (exclude) is settled before trials are made.
    written = [key for key, field in Training.model_fields.items() if not field.exclude]
    known = [PREFIX + key for key in (*written, "num_epochs") if key not in FIXED]
    if name in known:
        return None
    bare = name.removeprefix(PREFIX)
    if bare in FIXED:
        return "cannot differ between trials"
    if PREFIX + bare in known:
        return f"unknown key, did you mean {PREFIX + bare}?"
    close = difflib.get_close_matches(bare, [field.removeprefix(PREFIX) for field in known], n=1)
    if found := _ELSEWHERE.get(bare) or (close[0] if close else None):
        return f"unknown key, did you mean {PREFIX + found}?"
    return "unknown key, expected a key of the template's training, such as training.learning_rate"


def _check_values(sweep: Sweep) -> None:
    """The ends of every distribution must fit the template: a sweep must not find out on somebody's machine."""
    for name, distribution in sweep.space.items():
        for value in distribution.ends():
            place = f"parameters.{name}" if sweep.program else f"parameters.{PREFIX}{name}"
            _require_fit(sweep, {name: value}, place)
    for group in sweep.bundles:
        _require_fit(sweep, group, "groups")


def _require_fit(sweep: Sweep, parameters: dict[str, Any], place: str) -> None:
    try:
        if sweep.program:
            require_fit(sweep.program, parameters, has_steps=sweep.early_terminate is not None)
        else:
            merged(sweep.lora.training, without_epochs(parameters))
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def load_sweep(path: Path) -> Sweep:
    """Reads a sweep file. Raises NotFound or SpecError."""
    return parse_sweep(read_mapping(path), base=path.parent)


def parse_sweep(mapping: Any, *, base: Path) -> Sweep:
    """Checks a mapping; a template that is a file name is meant from `base`. Raises SpecError, NotFound."""
    if not isinstance(mapping, dict) or mapping.get("type") != "sweep":
        raise SpecError("type: expected sweep, with the keys of a sweep")
    content = dict(mapping)
    if "program" in content and "template" in content:
        raise SpecError("program: found it and template, expected one of them")
    template = content.pop("program", content.get("template"))
    if isinstance(template, str):
        template = read_mapping(base / template)
    content["template"] = _template(template)
    content["parameters"] = _parameters(content.get("parameters") or {})
    if isinstance(content["template"], LoraSpec):
        content = _prefixed(content)
    try:
        return Sweep.model_validate(content)
    except ValidationError as error:
        raise SpecError(first_refusal(error, Sweep)) from error


def _template(mapping: Any) -> LoraSpec | ContainerSpec:
    if not isinstance(mapping, dict):
        raise SpecError("template: expected the name of a LoRA or container spec, or its keys")
    # The sweep's own budget holds; a template needs none.
    kind = "container" if "image" in mapping else "lora"
    content = {"name": "template", "type": kind, "budget": {"max_total": 1}} | mapping
    try:
        spec = parse_spec(content)
    except SpecError as error:
        raise SpecError(f"template.{error.message}") from error
    if not isinstance(spec, LoraSpec | ContainerSpec):
        raise SpecError(f"template.type: found {spec.type!r}, expected lora or container")
    return spec


def _parameters(found: Any) -> dict[str, Distribution]:
    if not isinstance(found, Mapping):
        raise SpecError("parameters: expected keys with a distribution each")
    return {str(name): distribution_of(str(name), content) for name, content in found.items()}


def _prefixed(content: dict[str, Any]) -> dict[str, Any]:
    """A training's keys may be written without `training.`, as other tools have them."""
    bare = {key for key in Training.model_fields if key not in FIXED}

    def full(name: str) -> str:
        return PREFIX + name if name in bare else name

    parameters = {full(name): entry for name, entry in content["parameters"].items()}
    if len(parameters) < len(content["parameters"]):
        raise SpecError(f"parameters: found a key with and without {PREFIX}, expected it once")
    groups = content.get("groups") or ()
    if isinstance(groups, list | tuple) and all(isinstance(group, dict) for group in groups):
        groups = [{full(str(name)): value for name, value in group.items()} for group in groups]
    return content | {"parameters": parameters, "groups": groups}
