# SPDX-License-Identifier: Apache-2.0
"""The published schema says what the models say."""

from __future__ import annotations

import pytest

from swarm.workloads.schema import reference, rows_of, schema_of
from swarm.workloads.spec import SPECS


def test_every_key_of_a_lora_spec_is_explained() -> None:
    rows = list(rows_of(SPECS["lora"]))
    assert not [key for key, _, _, meaning in rows if not meaning]
    assert {"training.lora_r", "datasets[].message_property_mappings.role", "checkpoint.every_steps"} <= {
        row[0] for row in rows
    }


@pytest.mark.parametrize("kind", sorted(SPECS))
def test_a_schema_refuses_unknown_keys_and_names_what_is_required(kind: str) -> None:
    schema = schema_of(kind)
    assert schema["additionalProperties"] is False
    assert {"type", "name", "budget"} <= set(schema["required"])
    assert f"## {kind}\n" in reference()


def test_a_schema_knows_the_limits_of_numbers() -> None:
    training = schema_of("lora")["$defs"]["Training"]["properties"]
    assert (training["lora_r"]["minimum"], training["lora_r"]["maximum"]) == (1, 512)
    assert training["max_steps"]["anyOf"][0]["maximum"] == 1_000_000
    assert training["seed"]["exclusiveMaximum"] == 1 << 63
    assert schema_of("lora")["properties"]["timeout"]["anyOf"][0]["type"] == ["integer", "string"]
