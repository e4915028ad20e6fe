# SPDX-License-Identifier: Apache-2.0
"""The published form of every spec: a JSON Schema for editors, and the table of keys in docs/spec.md.

Both are made from the models that check specs, so they cannot say anything else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from swarm.workloads.fields import Spec
from swarm.workloads.refusal import models_in
from swarm.workloads.spec import SPECS

_WORDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
DRAFT = "https://json-schema.org/draft/2020-12/schema"

# What the keys mean that every type has.
SHARED = {
    "version": "Of the format: 1.",
    "type": "Which kind of job.",
    "name": "A name of your own.",
    "engine": "Image digest, or `process` on a devnet; default: the network's.",
    "budget": "What you are ready to pay.",
    "budget.max_total": "Tokens: the escrow, so the most the job can ever cost.",
    "hardware_class": "Which machines may take it; they can check each other.",
    "verification": "How a segment is compared; default: what type, image and class allow.",
    "segment_seconds": "The most one segment may take.",
    "run_seconds": "The most the whole job may take once accepted.",
}


def schema_of(kind: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one type's specs, as a person writes them. Raises KeyError for an unknown type."""
    model = SPECS[kind]
    schema = _with_limits(model)
    for name, found in schema["properties"].items():
        if name in SHARED:
            found.setdefault("description", SHARED[name])
    return {"$schema": DRAFT, "$id": f"docs/schema/v1/{kind}.json"} | schema


def schema_text(kind: str) -> str:
    """The file under docs/schema/v1/."""
    return json.dumps(schema_of(kind), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def reference() -> str:
    """docs/spec.md: every key of every type."""
    parts = [_INTRODUCTION]
    for kind, model in sorted(SPECS.items()):
        parts.append(f"\n## {kind}\n\n| key | values | default | meaning |\n|---|---|---|---|\n")
        parts += [f"| `{key}` | {values} | {default} | {text} |\n" for key, values, default, text in rows_of(model)]
    return "".join(parts)


def rows_of(model: type[Spec]) -> Iterator[tuple[str, str, str, str]]:
    """(dotted key, values, default, meaning) of every key, in the order of the model."""
    schema = _with_limits(model)
    yield from _rows(schema, schema.get("$defs", {}), "")


def _with_limits(model: type[BaseModel]) -> dict[str, Any]:
    """pydantic leaves a number's limits out where one of our own checks comes before them."""
    schema = model.model_json_schema()
    defs = schema.get("$defs", {})
    for inner in {model, *_models(model)}:
        target = schema if inner is model else defs.get(inner.__name__, {})
        for name, found in target.get("properties", {}).items():
            limits = _limits(inner.model_fields[name])
            numbers = [found, *found.get("anyOf", ())]
            for place in (place for place in numbers if place.get("type") in ("integer", "number")):
                place |= limits
    return schema


def _limits(field: FieldInfo) -> dict[str, float]:
    said = [*field.metadata, *(item for choice in get_args(field.annotation) for item in _metadata(choice))]
    return {word: getattr(item, name) for item in said for name, word in _WORDS.items() if hasattr(item, name)}


def _metadata(choice: object) -> list[object]:
    found: list[object] = []
    for item in getattr(choice, "__metadata__", ()):
        found += getattr(item, "metadata", None) or [item]
    return found


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for field in model.model_fields.values():
        for inner in models_in(field.annotation):
            yield inner
            yield from _models(inner)


def _rows(schema: dict, defs: dict, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    required = schema.get("required", [])
    for name, found in schema["properties"].items():
        key = prefix + name
        default = "required" if name in required else _default(found)
        meaning = found.get("description") or SHARED.get(key) or ""
        yield key, _values(found, defs), default, meaning.replace("|", "\\|")
        inner = _inner(found, defs)
        if inner:
            mark = "[]" if found.get("type") == "array" else ""
            yield from _rows(defs[inner], defs, f"{key}{mark}.")


def _inner(found: dict, defs: dict) -> str | None:
    """The name of the model a key holds, alone, in a list, or with null."""
    for place in (found, found.get("items", {}), *found.get("anyOf", ())):
        if isinstance(place, dict) and "$ref" in place:
            name = place["$ref"].rpartition("/")[2]
            return name if "properties" in defs[name] else None
    return None


def _values(found: dict, defs: dict) -> str:
    if "$ref" in found:
        target = defs[found["$ref"].rpartition("/")[2]]
        return _values(target, defs) if "enum" in target else "keys below"
    if "anyOf" in found:
        shown = [_values(choice, defs) for choice in found["anyOf"] if choice.get("type") != "null"]
        return shown[0] if len(set(shown)) == 1 else ", ".join(shown)
    for word in ("enum", "const"):
        if word in found:
            values = found[word] if word == "enum" else [found[word]]
            return ", ".join(f"`{json.dumps(value).strip(chr(34))}`" for value in values)
    if found.get("type") == "array":
        items = found.get("items", {})
        return "list, keys below" if "$ref" in items else f"list of {_values(items, defs)}"
    return _range(found)


def _range(found: dict) -> str:
    kind = found.get("type", "any")
    kind = "number or text" if isinstance(kind, list) else {"string": "text", "object": "mapping"}.get(kind, kind)
    limits = [f"{sign} {_number(found[word])}" for word, sign in _SIGNS.items() if word in found]
    return " ".join([kind, *limits])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _default(found: dict) -> str:
    value = found.get("default")
    if value in (None, {}, [], ()) or isinstance(value, dict):
        return "—"
    return f"`{json.dumps(value, ensure_ascii=False).strip(chr(34))}`"


_INTRODUCTION = """\
# Job specs

Generated by `python3 scripts/export_schema.py` from the models that check specs; a test compares it. One YAML 1.2
file is one job. Unknown keys are refused with a suggestion, and what other trainers have and this one has not is
refused by name with the reason. `swarm job post FILE --set training.lora_r=16` changes a key, `${NAME}` stands for
what `--env NAME=VALUE` or `--env NAME` gives and for nothing else. Times are written `90m`, `2h`, `1h30m`; numbers
may be given as text. Schemas for editors: `docs/schema/v1/`.

What travels is the resolved spec as canonical JSON: every input named by CID, every number said. Its digest goes on
chain, so comments, order and other ways of saying the same make no other job.
"""
