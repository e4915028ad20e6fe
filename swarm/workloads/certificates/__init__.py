# SPDX-License-Identifier: Apache-2.0
"""Measured bounds, one committed JSON file for each engine: how far honest machines are apart, and where cheats begin.

`swarm workload certify` writes them. Everybody must judge by the same numbers, so they come with the program and never
from a spec: a buyer cannot post bounds that nobody keeps, nor a seller ask for wide ones.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from swarm.protocol.hardware import EXACT_CLASS, PRECISIONS

# Images whose owner says that they hold this very program and these libraries, by digest, separated by commas.
TRUSTED = "SWARM_CERTIFIED_IMAGES"


@dataclass(frozen=True, slots=True)
class Bound:
    """Up to `accept` a distance is noise; beyond `reject` it is a cheat; between them the judge looks closer."""

    accept: float
    reject: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """`bounds`: class → what is measured → its bound. `content` is the whole file."""

    name: str
    engines: frozenset[str]
    bounds: Mapping[str, Mapping[str, Bound]]
    content: Mapping


@functools.cache
def certificates() -> dict[str, Certificate]:
    """All that are committed, by name."""
    files = (entry for entry in resources.files(__name__).iterdir() if entry.name.endswith(".json"))
    found = [_read(entry.name.removesuffix(".json"), json.loads(entry.read_text("utf-8"))) for entry in files]
    return {certificate.name: certificate for certificate in sorted(found, key=lambda one: one.name)}


def certificate_for(engine: str, hardware_class: str) -> Certificate | None:
    """The certificate of an engine that covers a class, or None. A trusted image has that of the program it holds."""
    trusted = os.environ.get(TRUSTED, "").split(",")
    name = "process" if engine in trusted and engine else engine
    covering = (one for one in certificates().values() if name in one.engines)
    return next((one for one in covering if entry_name(hardware_class) in one.bounds), None)


def entry_name(hardware_class: str) -> str:
    """Under which name a certificate has the bounds of a class: its own, but pinned kernels are a way of fp32."""
    return PRECISIONS[EXACT_CLASS] if hardware_class == EXACT_CLASS else hardware_class


def _read(name: str, content: dict) -> Certificate:
    bounds = {
        precision: {what: Bound(**bound) for what, bound in entry["bounds"].items()}
        for precision, entry in content["classes"].items()
    }
    return Certificate(name, frozenset(content["engines"]), bounds, content)
