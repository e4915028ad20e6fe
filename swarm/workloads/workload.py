# SPDX-License-Identifier: Apache-2.0
"""The port every job type fills: how its inputs are pinned and checked, which program runs it, how a judge compares,
and what the buyer receives. `registry.workload_of(spec)` finds the type's own."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:  # the job image has no pydantic, and a checker needs the zones
    from swarm.workloads.fields import Need, Spec

AnySpec = TypeVar("AnySpec", bound="Spec")
Fact = float | int | str | None


class Zone(enum.StrEnum):
    """Where a comparison within bounds falls. Nobody is slashed on ESCALATE: the judge looks closer first."""

    ACCEPT = "accept"
    ESCALATE = "escalate"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a comparison within bounds found; `facts` are the distances and bounds, for the evidence."""

    zone: Zone
    facts: Mapping[str, Fact] = field(default_factory=dict)


class Closer(Protocol):
    """What a judge's machine offers a workload that looks closer; segments are numbered as in the spec. Raises
    IntegrityError for what is not as it was committed, NotFound, JobFailed, TransientError."""

    segments: range  # of the spec, those that belong to the job

    def sides(self, segment: int) -> tuple[Path | None, Path]:
        """The seller's state before a segment, and its output."""

    def run(self, segment: int, **numeric: str | int | bool) -> Path:
        """Our own output of a segment, computed otherwise (swarm.jobs.numeric); each way is run once."""

    def recall(self, key: str) -> Sequence[Mapping[str, float]]:
        """What this judge learned before under a key, in this job or another; the newest last."""

    def learn(self, key: str, found: Mapping[str, float]) -> None:
        """Keeps what was measured for later looks."""


@dataclass(frozen=True, slots=True)
class Pins:
    """What a buyer's machine offers a workload while a spec is resolved.

    `add` puts a file or folder into the store and returns its URI; `at` is the local path of a need, fetched if it is
    content already. Both raise NotFound, IntegrityError, TransientError.
    """

    add: Callable[[Path], str]
    at: Callable[[Need], Path]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A spec whose inputs are content, and notes for the person: what was counted, what was left out."""

    spec: Spec
    facts: Mapping[str, Fact] = field(default_factory=dict)


class Workload(Protocol[AnySpec]):
    """One job type. Pure apart from the files it is given.

    `is_foreign`: the program is not ours. Everything it leaves is the output of the only segment, and its trace is the
    digest of what it printed, which is not part of what is delivered.
    """

    is_foreign: bool

    def program(self, spec: AnySpec) -> tuple[str, ...]:
        """What runs some segments of the job."""

    def checker(self, spec: AnySpec) -> tuple[str, ...] | None:
        """What checks a claimed output instead of computing it again (class *proof*), or None.

        It finds the spec's inputs and `claim/`, the seller's output, and leaves `segments/NNNN/` for `assess`.
        """

    def check_inputs(self, spec: AnySpec, files: Mapping[str, Path]) -> None:
        """Raises SpecError or IntegrityError for inputs that no seller could work with."""

    def resolve(self, spec: AnySpec, pins: Pins) -> Resolved:
        """Pins what the spec names. Raises SpecError (naming the line of bad data), NotFound, IntegrityError."""

    def assess(self, spec: AnySpec, segment: int, *, before: Path | None, theirs: Path, ours: Path) -> Assessment:
        """Compares the seller's output of a segment with ours (or with what the checker left) within bounds.

        Never raises for what the seller wrote: a file that cannot be read is rejected.
        """

    def deliver(self, spec: AnySpec, outputs: Sequence[Path], target: Path, *, base_model: str | None) -> None:
        """Writes what the buyer receives into the new directory `target`; `outputs` are `delivered` segments'."""

    def delivered(self, spec: AnySpec) -> Sequence[int]:
        """The segments whose outputs the buyer needs."""


@runtime_checkable
class LooksCloser(Protocol):
    """What a workload may have beside the port: a second look where the first one said ESCALATE. Without it the seller
    has the benefit of the doubt."""

    def look_closer(self, spec: Spec, segment: int, closer: Closer) -> Assessment:
        """Decides from further replays. Never says REJECT for what another numeric stack explains."""
