# SPDX-License-Identifier: Apache-2.0
"""A journal is of one deployment: in another one the same numbers are other jobs."""

import pytest

from swarm.errors import UsageError
from swarm.journal import Journal
from tests.unit.chain.node import FakeNode


def test_a_journal_of_another_deployment_is_refused(tmp_path):
    """Attack 64: what was found, sealed or published for job 7 here is not said of job 7 there."""
    path = tmp_path / "verifier.sqlite"
    with pytest.raises(UsageError, match="another deployment"):
        Journal(path).bind("one").bind("another")
    kept = Journal(path)
    kept.put("finding", "7-0", {"segment": 2})
    kept.close()
    with pytest.raises(UsageError, match="another deployment"):
        Journal(path).bind("another")
    assert Journal(path).bind("one").get("finding", "7-0") == {"segment": 2}


def test_a_chain_that_begins_anew_under_the_same_number_is_another_deployment():
    """Devnets have one chain id, and the same addresses each time."""
    node, again = FakeNode(), FakeNode()
    again.branch = 1
    names = {each.chain().deployment() for each in (node, again)}
    assert len(names) == 2
    node.mine()
    assert node.chain().deployment() in names
