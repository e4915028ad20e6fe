# SPDX-License-Identifier: Apache-2.0
"""The spec of a container job: an image by digest, a command, inputs by CID, and whether its outputs repeat.

Whatever the program leaves in /outputs is the output of the job's only segment. Nothing of the seller's machine
reaches it but its processor: no network, no secret, no time limit other than the job's own.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from swarm.workloads.fields import GIB, Need, Spec, Strict, Uri, matching
from swarm.workloads.verification import Verification

_IMAGE = re.compile(r"(?:[a-z0-9][a-z0-9._/:-]{0,255}@)?sha256:[0-9a-f]{64}")
_TARGET = re.compile(r"/inputs/[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_WORD = re.compile(r"[^\x00]{1,4096}")
MAX_WORDS = 256
# Our own: what the sandbox itself says to every program, and the files our worker puts beside the inputs.
_RESERVED = {"SWARM_INPUTS", "SWARM_OUTPUTS", "PATH", "HOME", "TMPDIR"}
_TAKEN = {"/inputs/job.json"}

Word = Annotated[str, matching(_WORD, "1 to 4096 characters without NUL")]


def _digest(value: str) -> str:
    if not _IMAGE.fullmatch(value):
        raise ValueError("an image by digest, sha256:… or repository@sha256:…, because a tag can change between runs")
    return value


def _environment(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if not _VARIABLE.fullmatch(name) or name in _RESERVED:
            taken = ", ".join(sorted(_RESERVED))
            raise ValueError(f"{name[:64]}: found this name, expected letters, digits and _, none of {taken}")
    return dict(sorted(value.items()))


def _no_secrets(value: tuple[str, ...]) -> tuple[str, ...]:
    if value:
        raise ValueError("none: the seller's machine can read whatever reaches the job")
    return value


class ContainerInput(Strict):
    """One input, read-only at `target`."""

    source: Uri
    target: Annotated[str, matching(_TARGET, "/inputs/NAME")]
    readonly: Literal[True] = True


class ContainerOutput(Strict):
    """Where results are left; there is one place."""

    path: Literal["/outputs"] = "/outputs"
    name: Annotated[str, matching(re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"), "a file name")] = "results"


class ContainerSpec(Spec):
    """`determinism` is the buyer's word: where the outputs do not repeat after all, judges disagree and nobody is
    slashed. Without it only a result that cannot be fetched is punished."""

    type: Literal["container"]
    image: Annotated[str, AfterValidator(_digest)]
    entrypoint: Annotated[tuple[Word, ...], Field(min_length=1, max_length=MAX_WORDS)]
    args: Annotated[tuple[Word, ...], Field(max_length=MAX_WORDS)] = ()
    env: Annotated[dict[str, Word], Field(default_factory=dict, max_length=64), AfterValidator(_environment)]
    secrets: Annotated[tuple[str, ...], AfterValidator(_no_secrets)] = ()
    inputs: Annotated[tuple[ContainerInput, ...], Field(max_length=64)] = ()
    outputs: Annotated[tuple[ContainerOutput, ...], Field(min_length=1, max_length=1)] = (ContainerOutput(),)
    network: Literal["none"] = "none"
    determinism: Literal["exact", "none"] = "none"

    @model_validator(mode="before")
    @classmethod
    def _one_image(cls, given: Any) -> Any:
        """The image is the engine, and its determinism decides how it is checked: neither is said twice."""
        if not isinstance(given, dict) or not _IMAGE.fullmatch(str(given.get("image"))):
            return given
        way = Verification.EXACT if given.get("determinism") == "exact" else Verification.DELIVERY
        derived = {"engine": given["image"], "verification": way.value}
        for name, value in derived.items():
            if given.get(name, value) != value:
                raise ValueError(f"{name}: found {str(given[name])[:80]!r}, expected nothing: it follows from the rest")
        return given | derived

    @model_validator(mode="after")
    def _own_places(self) -> ContainerSpec:
        targets = [entry.target for entry in self.inputs]
        if len({*targets, *_TAKEN}) != len(targets) + len(_TAKEN):
            raise ValueError("inputs: found a target twice, or /inputs/job.json, expected a place of its own for each")
        return self

    @property
    def segments(self) -> int:
        return 1

    @property
    def environment(self) -> dict[str, str]:
        return dict(self.env)

    @property
    def needs(self) -> tuple[Need, ...]:
        return tuple(
            Need(entry.target.removeprefix("/inputs/"), entry.source, 64 * GIB, max_files=4096, max_depth=8)
            for entry in self.inputs
        )
