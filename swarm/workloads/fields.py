# SPDX-License-Identifier: Apache-2.0
"""What the specs of all job types share: strict fields, and the base of every spec.

A field's refusal says what was expected; `refusal.py` makes the whole line of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from swarm.errors import UsageError
from swarm.protocol.hardware import CLASSES
from swarm.units import parse_duration
from swarm.workloads.verification import Verification

MAX_SEGMENTS = 1024  # the depth of the Merkle tree is bounded on chain
GIB = 1 << 30

IPFS = re.compile(r"ipfs://baf(?:ybei|krei)[a-z2-7]{52}")
_FILE = re.compile(r"file:[^\x00-\x1f]{1,4096}")
_ENGINE = re.compile(r"process|(?:[a-z0-9][a-z0-9._/:-]{0,255}@)?sha256:[0-9a-f]{64}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TIME = "a time such as 90m, 2h or 1h30m"
_MODULE = re.compile(r"[A-Za-z0-9_]{1,64}(\.[A-Za-z0-9_]{1,64}){0,7}")


def no_boolean(value: object) -> object:
    """Refuses true and false where a number is meant: Python counts them as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("a number")
    return value


def matching(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    """A validator that refuses text outside `pattern`, saying what was expected."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(expected)
        return value

    return AfterValidator(check)


def _either(value: str) -> str:
    if not (IPFS.fullmatch(value) or _FILE.fullmatch(value)):
        raise ValueError("file:PATH or ipfs://CID (CIDv1, base32, sha2-256)")
    return value


def _known_class(value: str) -> str:
    if value not in CLASSES:
        raise ValueError(f"one of: {', '.join(CLASSES)}")
    return value


def _seconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(_TIME)
    try:
        return parse_duration(str(value))
    except UsageError as error:
        raise ValueError(_TIME) from error


Integer = Annotated[int, BeforeValidator(no_boolean)]
Duration = Annotated[
    int,
    BeforeValidator(_seconds),
    Field(ge=1, le=2_592_000),
    WithJsonSchema({"type": ["integer", "string"], "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+s?)?$"}),
]
Number = Annotated[float, BeforeValidator(no_boolean), Field(allow_inf_nan=False)]
Uri = Annotated[str, AfterValidator(_either)]
IpfsUri = Annotated[str, matching(IPFS, "ipfs://CID (CIDv1, base32, sha2-256)")]
Engine = Annotated[str, matching(_ENGINE, "process, or an image digest sha256:… of 64 hex digits")]
Identifier = Annotated[str, matching(_IDENTIFIER, "1 to 64 letters, digits, dots, dashes or underscores")]
ModuleName = Annotated[str, matching(_MODULE, "a module name such as q_proj")]
HardwareClass = Annotated[str, AfterValidator(_known_class)]


class Strict(BaseModel):
    """Unknown keys are refused, and nothing changes after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Budget(Strict):
    """What the buyer is ready to pay, in whole tokens."""

    max_total: Annotated[Decimal, BeforeValidator(no_boolean), Field(gt=0, le=10**12, decimal_places=18)]


@dataclass(frozen=True, slots=True)
class Need:
    """One input of a job: the name its program finds it by, where it is, and how large it may be."""

    name: str
    uri: str
    max_bytes: int
    max_files: int = 1
    max_depth: int = 1

    @property
    def is_content(self) -> bool:
        """Whether it is named by content, so that everybody gets the same bytes."""
        return bool(IPFS.fullmatch(self.uri))


class Spec(Strict):
    """What every job says, whatever its type. A subclass says what its segments and inputs are.

    `is_chained`: segment i starts from the output of i - 1, the first one from the input named "state"; the last
    output is what the buyer gets. Otherwise every segment starts from the spec's inputs alone.
    """

    is_chained: ClassVar[bool] = False

    version: Literal[1] = 1
    type: str
    name: Identifier
    engine: Engine = "process"
    budget: Budget
    hardware_class: HardwareClass = "cpu-fp32"
    verification: Verification = Verification.EXACT
    segment_seconds: Annotated[Integer, Field(ge=1, le=86_400)] = 600
    run_seconds: Annotated[Integer, Field(ge=1, le=2_592_000)] = 7200

    @property
    def segments(self) -> int:
        """How many segments the job has, at least 1 and at most 1024."""
        raise NotImplementedError

    @property
    def needs(self) -> tuple[Need, ...]:
        """Every input, by the names its program knows."""
        raise NotImplementedError

    @property
    def environment(self) -> dict[str, str]:
        """What the program is told through its environment."""
        return {}

    @property
    def is_resolved(self) -> bool:
        """Whether every input is content-addressed."""
        return all(need.is_content for need in self.needs)
