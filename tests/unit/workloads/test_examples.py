# SPDX-License-Identifier: Apache-2.0
"""The examples people start from are specs that this version reads."""

from pathlib import Path

import pytest

from swarm.workloads.registry import WORKLOADS
from swarm.workloads.spec import parse_spec, read_mapping
from swarm.workloads.sweep.search import parse_sweep

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_read(path: Path) -> None:
    mapping = read_mapping(path)
    if mapping["type"] == "sweep":  # the one kind of file that never travels
        assert parse_sweep(mapping, base=path.parent).template.type in WORKLOADS
    else:
        assert parse_spec(mapping).type in WORKLOADS


def test_there_are_examples() -> None:
    assert EXAMPLES
