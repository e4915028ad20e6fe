# SPDX-License-Identifier: Apache-2.0
"""Trials of a program in a container: how parameters reach it, and how its metrics are read.

Parameters come as W&B's sweeps give them. In `entrypoint` and `args` of the template

    ${args}             one word --name=value for every parameter; put at the end where none of these four stands
    ${args_no_hyphens}  name=value
    ${args_json}        one word, all of them as JSON
    ${args_json_file}   the path of a file that holds it, /inputs/parameters.json, which is always there

and a parameter called env.NAME is an environment variable instead. With early_terminate a trial is run piece by piece:
$TRIAL_FIRST_STEP and $TRIAL_LAST_STEP say from where to where, and what the piece before left is /inputs/trial/files.

The program leaves metrics.json, one JSON object with a number under the metric's name (and `step`, if it counts them).
It is what a stranger's machine published: everything but finite numbers is a trial that failed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from swarm import hostile_json
from swarm.errors import IntegrityError
from swarm.workloads.container.spec import ContainerSpec
from swarm.workloads.refusal import first_refusal

METRICS_FILE, MAX_METRICS_BYTES = "metrics.json", 1 << 16
PARAMETERS_TARGET, PREVIOUS_TARGET = "/inputs/parameters.json", "/inputs/trial"
FIRST_STEP, LAST_STEP = "TRIAL_FIRST_STEP", "TRIAL_LAST_STEP"
ENV = "env."
MAX_VALUES, MAX_NAME, MAX_FAILURE = 1000, 100, 300
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_MACROS = ("${args}", "${args_no_hyphens}", "${args_json}", "${args_json_file}")


@dataclass(frozen=True, slots=True)
class Reported:
    """What a program said of one piece of a trial; `values` are its finite numbers by name."""

    trial: str
    step: int
    values: Mapping[str, float]
    failure: str | None = None

    def value(self, name: str) -> float | None:
        """A metric by its name; None where the trial failed."""
        return self.values.get(name)


def unknown_parameter(name: str) -> str | None:
    """Why a program cannot be given a parameter of this name; None when it can."""
    if name.startswith(ENV):
        return None if _VARIABLE.fullmatch(name[len(ENV) :]) else "expected env.NAME of letters, digits and _"
    return None if _NAME.fullmatch(name) else "expected a name of letters, digits, _, - and dots"


def canonical(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in order of name. Raises ValueError for a value no program can be given."""
    for name, value in parameters.items():
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(f"{name}: found {str(value)[:40]!r}, expected text, a number, true or false")
    return {name: parameters[name] for name in sorted(parameters)}


def trial_mapping(
    program: ContainerSpec,
    parameters: Mapping[str, Any],
    *,
    file_uri: str,
    steps: tuple[int, int] | None = None,
    start: str | None = None,
) -> dict[str, Any]:
    """The program's spec with a trial's parameters in it; `file_uri` is the pinned file of them, `steps` the piece and
    `start` the URI of the output before. Raises ValueError where they do not fit, in one line."""
    words = {name: value for name, value in parameters.items() if not name.startswith(ENV)}
    variables = {name[len(ENV) :]: _shown(value) for name, value in parameters.items() if name.startswith(ENV)}
    if steps is not None:
        variables |= {FIRST_STEP: str(steps[0]), LAST_STEP: str(steps[1])}
    if twice := sorted(variables.keys() & program.env.keys()):
        raise ValueError(f"env.{twice[0]}: stands in the template's env too")
    inputs = [entry.model_dump() for entry in program.inputs]
    inputs.append({"source": file_uri, "target": PARAMETERS_TARGET})
    if start is not None:
        inputs.append({"source": start, "target": PREVIOUS_TARGET})
    entrypoint, args = list(program.entrypoint), list(program.args)
    if not any(word in _MACROS for word in (*entrypoint, *args)):
        args.append(_MACROS[0])
    changes = {
        "entrypoint": _expanded(entrypoint, words),
        "args": _expanded(args, words),
        "env": dict(program.env) | variables,
        "inputs": inputs,
    }
    return program.model_dump() | changes


def require_fit(program: ContainerSpec, parameters: Mapping[str, Any], *, has_steps: bool) -> None:
    """Raises ValueError for parameters that make no spec of a container job."""
    uri = "ipfs://bafkrei" + "a" * 52
    steps, start = ((0, 1), uri) if has_steps else (None, None)
    mapping = trial_mapping(program, canonical(parameters), file_uri=uri, steps=steps, start=start)
    try:
        ContainerSpec.model_validate(mapping)
    except ValidationError as error:
        raise ValueError(first_refusal(error, ContainerSpec)) from error


def file_of(parameters: Mapping[str, Any]) -> bytes:
    """What /inputs/parameters.json holds."""
    return json.dumps(dict(parameters), sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def reported(trial: str, last_step: int, metric: str, *, end: bytes, metrics: bytes | None) -> Reported:
    """What a piece of a trial came to, from the files that were left: its end.json, and its metrics.json if there is
    one. Raises IntegrityError for an end that our programs do not write; anything else is the trial's own failure."""
    try:
        code = hostile_json.parse(end)["exit_code"]
        if type(code) is not int:
            raise TypeError("no number")
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"end.json: {str(error)[:100]}") from error
    if code:
        return Reported(trial, 0, {}, f"the program ended with exit code {code}")
    if metrics is None:
        return Reported(trial, 0, {}, f"the program left no {METRICS_FILE}, or one of more than 64 KiB")
    try:
        values = _values(metrics)
        step = values.get("step", last_step)
        if step != last_step:
            raise ValueError(f"step: found {step:g}, expected {last_step}")
        if metric not in values:
            raise ValueError(f"{metric}: expected a finite number")
    except ValueError as error:
        return Reported(trial, 0, {}, f"{METRICS_FILE}: {error}"[:MAX_FAILURE])
    return Reported(trial, last_step, values)


def _values(data: bytes) -> dict[str, float]:
    try:
        content = hostile_json.parse(data)
    except ValueError as error:
        raise ValueError("expected JSON") from error
    if not isinstance(content, dict) or len(content) > MAX_VALUES:
        raise ValueError(f"expected an object of at most {MAX_VALUES} keys")
    return {name: float(value) for name, value in content.items() if len(name) <= MAX_NAME and _is_finite(value)}


def _is_finite(value: Any) -> bool:
    # A whole number may be too large for a float.
    is_number = isinstance(value, float | int) and not isinstance(value, bool)
    return is_number and abs(value) <= 1e300 and math.isfinite(value)


def _expanded(line: list[str], parameters: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for word in line:
        if word == "${args}":
            found += [f"--{name}={_shown(value)}" for name, value in parameters.items()]
        elif word == "${args_no_hyphens}":
            found += [f"{name}={_shown(value)}" for name, value in parameters.items()]
        else:
            text = file_of(parameters).decode().strip()
            found.append({"${args_json}": text, "${args_json_file}": PARAMETERS_TARGET}.get(word, word))
    return found


def _shown(value: Any) -> str:
    """As W&B writes it: Python's own words for true and false, the shortest exact text of a number."""
    return str(value)
