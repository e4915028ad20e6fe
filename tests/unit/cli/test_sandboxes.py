# SPDX-License-Identifier: Apache-2.0
"""Which GPU a daemon lends: one that is there and can be passed on; one asked for by name is refused clearly."""

import sys

import pytest

from swarm.cli.sandboxes import gpu_for
from swarm.errors import UsageError
from swarm.runtime.fake import FakeRunner
from tests.unit.runtime.nvml import Card, FakeNvml


class Passing(FakeRunner):
    def passes_gpus(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def card(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(Card("GPU-1")))


def idle(run, emit):
    pytest.fail("nothing is run here")


def test_auto_lends_the_card_where_the_engine_passes_it_on():
    found, words = gpu_for(Passing(idle), "auto")
    assert (found.uuid, words) == ("GPU-1", "RTX 4090")
    found, words = gpu_for(FakeRunner(idle), "auto")
    assert found is None and "cannot pass the RTX 4090" in words and "swarm doctor" in words


def test_a_card_asked_for_by_name_is_never_left_out_in_silence():
    with pytest.raises(UsageError, match="cannot pass the RTX 4090"):
        gpu_for(FakeRunner(idle), "0")
    with pytest.raises(UsageError, match="no GPU '3'"):
        gpu_for(Passing(idle), "3")


def test_none_lends_none():
    assert gpu_for(Passing(idle), "none") == (None, "none")
