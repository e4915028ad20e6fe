# SPDX-License-Identifier: Apache-2.0
"""New runs for a sweep: every point of a grid in turn, or what Optuna's samplers ask for.

The study lives in memory and is rebuilt from what is known before each batch: the journal is the truth, and Optuna's
own storage could not tell a killed controller from a slow one (its heartbeats do not work with ask and tell). The
sampler's seed follows from the sweep's seed and the number of runs, so the same history gives the same proposals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from swarm.workloads.sweep.distributions import Range, Values
from swarm.workloads.sweep.program import canonical, require_fit
from swarm.workloads.sweep.search import Sweep
from swarm.workloads.sweep.trial import in_steps, merged, normal, trial_id

_ASKS_A_RUN = 30  # a small space may be used up: then the same points come again and again
_STARTUP = 10
_GROUP = "groups"


@dataclass(frozen=True, slots=True)
class Proposal:
    """`raw` is what the sampler drew (an index where it chose from a list): what it must be told again later."""

    id: str
    parameters: dict[str, Any]
    max_steps: int
    raw: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """An earlier run: what was drawn for it and how it did; `loss` None while it is under way or when it failed."""

    id: str
    raw: dict[str, Any]
    loss: float | None
    has_failed: bool = False


def propose(sweep: Sweep, known: Sequence[Known], count: int, examples: int | None = None) -> list[Proposal]:
    """Up to `count` runs that are not known yet; fewer when no other can be found. `examples`: what an epoch has."""
    seen = {run.id for run in known}
    fresh: list[Proposal] = []
    for parameters, raw in _grid(sweep) if sweep.method == "grid" else _asked(sweep, known, count):
        if len(fresh) == count:
            break
        proposal = _proposal(sweep, parameters, raw, examples)
        if proposal and proposal.id not in seen:
            seen.add(proposal.id)
            fresh.append(proposal)
    return fresh


def _proposal(sweep: Sweep, parameters: dict[str, Any], raw: dict[str, Any], examples: int | None) -> Proposal | None:
    """None for a combination that fits the template in each of its parts but not together."""
    try:
        if sweep.program:
            require_fit(sweep.program, parameters, has_steps=sweep.early_terminate is not None)
            parameters = canonical(parameters)
            return Proposal(trial_id(parameters, sweep.seed), parameters, sweep.trial_steps, raw)
        parameters = in_steps(sweep.lora.training, parameters, examples)
        training = merged(sweep.lora.training, parameters)
        parameters = normal(sweep.lora.training, parameters)
    except ValueError:
        return None
    return Proposal(trial_id(parameters, training.seed), parameters, training.max_steps, raw)


def _grid(sweep: Sweep) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    return ((row, {}) for row in sweep.grid())


def _asked(sweep: Sweep, known: Sequence[Known], count: int) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seed = int.from_bytes(hashlib.sha256(f"{sweep.seed}/{len(known)}".encode()).digest()[:4], "big")
    study = optuna.create_study(direction="minimize", sampler=_sampler(sweep, seed))
    distributions = _distributions(sweep)
    for run in known:
        study.add_trial(_told(run, distributions))
    for _ in range(_ASKS_A_RUN * count):
        raw = study.ask(distributions).params
        yield _parameters(sweep, raw), raw


def _sampler(sweep: Sweep, seed: int) -> Any:
    import optuna

    if sweep.method == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    # constant_liar: runs under way count as bad ones, so that a batch does not crowd around one point.
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=_STARTUP, multivariate=True, constant_liar=True)


def _told(run: Known, distributions: dict[str, Any]) -> Any:
    import optuna

    states = optuna.trial.TrialState
    state = states.FAIL if run.has_failed else states.RUNNING if run.loss is None else states.COMPLETE
    value = run.loss if state == states.COMPLETE else None
    return optuna.trial.create_trial(state=state, value=value, params=run.raw, distributions=distributions)


def _distributions(sweep: Sweep) -> dict[str, Any]:
    """Lists are chosen from by index, since an entry may be a list itself."""
    import optuna.distributions as kinds

    found: dict[str, Any] = {}
    for name, distribution in sweep.space.items():
        if isinstance(distribution, Values):
            found[name] = kinds.CategoricalDistribution(tuple(range(len(distribution.values))))
        elif distribution.distribution == "int_uniform":
            found[name] = kinds.IntDistribution(int(distribution.min), int(distribution.max))
        else:
            found[name] = kinds.FloatDistribution(distribution.min, distribution.max, log=distribution.is_log)
    if sweep.groups:
        found[_GROUP] = kinds.CategoricalDistribution(tuple(range(len(sweep.groups))))
    return found


def _parameters(sweep: Sweep, raw: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, distribution in sweep.space.items():
        drawn = raw[name]
        found[name] = distribution.rounded(drawn) if isinstance(distribution, Range) else distribution.values[drawn]
    return found | (sweep.bundles[raw[_GROUP]] if sweep.groups else {})
