# SPDX-License-Identifier: Apache-2.0
"""Changes to a spec before it is checked: `--set training.lora_r=16`, and `${NAME}` where the person named it.

Nothing is ever taken from the environment by itself: a spec from somebody else must not read this machine's secrets.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from swarm.errors import SpecError, UsageError

_VARIABLE = re.compile(r"\$\{([^}]{0,80})\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}|\d{1,3}")


@dataclass(frozen=True, slots=True)
class Overrides:
    """`sets` are (dotted key, value) in the order they were given; `variables` stand for `${NAME}` in any text."""

    sets: tuple[tuple[str, Any], ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, sets: Iterable[str], names: Iterable[str], environ: Mapping[str, str] | None = None) -> Overrides:
        """From the options of a command: `a.b=c`, and `NAME=value` or `NAME` of `environ`. Raises UsageError."""
        environ = os.environ if environ is None else environ
        return cls(tuple(map(_assignment, sets)), dict(_variable(name, environ) for name in names))

    def apply(self, mapping: Any) -> Any:
        """A changed copy. Raises SpecError for a `${NAME}` nobody gave, or a key that has no place."""
        changed = copy.deepcopy(mapping)
        for key, value in self.sets:
            _put(changed, key, value)
        return _Filler(self.variables).fill(changed, "")


def _assignment(text: str) -> tuple[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    key, equals, value = text.partition("=")
    if not equals or not all(_KEY.fullmatch(part) for part in key.split(".")):
        raise UsageError(f"--set {text[:80]!r} is not KEY=VALUE", hint="for instance --set training.lora_r=16")
    if len(value) > 4096 or any(value.count(bracket) > 16 for bracket in "[{"):
        raise UsageError(f"--set {key}: the value is too long")
    try:
        return key, YAML(typ="safe", pure=True).load(value)
    except (YAMLError, ValueError) as error:
        raise UsageError(f"--set {key}: the value is not YAML") from error


def _variable(text: str, environ: Mapping[str, str]) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not _NAME.fullmatch(name):
        raise UsageError(f"--env {text[:40]!r} is not NAME=VALUE or NAME")
    if not equals and name not in environ:
        raise UsageError(f"--env {name}: the environment has no such variable", hint=f"--env {name}=VALUE")
    return name, value if equals else environ[name]


def _put(mapping: Any, key: str, value: Any) -> None:
    *path, last = key.split(".")
    place = mapping
    for part in path:
        place = _inside(place, part, key)
    if isinstance(place, list) and last.isdigit() and int(last) < len(place):
        place[int(last)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise SpecError(f"{key}: found nothing to set it in")


def _inside(place: Any, part: str, key: str) -> Any:
    if isinstance(place, dict):
        return place.setdefault(part, {})
    if isinstance(place, list) and part.isdigit() and int(part) < len(place):
        return place[int(part)]
    raise SpecError(f"{key}: found nothing to set it in")


class _Filler:
    """Puts variables into every text. A YAML file can nest references into a value of exponential size, so a node that
    stands in many places is filled once."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._done: dict[int, Any] = {}

    def fill(self, value: Any, key: str) -> Any:
        if isinstance(value, str):
            return _VARIABLE.sub(lambda match: self._given(match, key), value)
        if not isinstance(value, dict | list):
            return value
        if id(value) not in self._done:
            self._done[id(value)] = value  # a node may hold itself
            if isinstance(value, dict):
                filled: Any = {name: self.fill(inner, f"{key}.{name}".lstrip(".")) for name, inner in value.items()}
            else:
                filled = [self.fill(inner, f"{key}[{at}]") for at, inner in enumerate(value)]
            self._done[id(value)] = filled
        return self._done[id(value)]

    def _given(self, match: re.Match[str], key: str) -> str:
        if match[1] not in self._variables:
            place = key[:80] if key.isprintable() else "spec"
            raise SpecError(f"{place}: found {match[0]}, expected it to be given", hint=f"--env {match[1]}=VALUE")
        return self._variables[match[1]]
