# SPDX-License-Identifier: Apache-2.0
"""A judge does not begin on a machine that cannot compute what its seat promises."""

import pytest

from swarm.errors import UsageError
from swarm.execution.segments import Sandbox
from swarm.protocol.types import ZERO_ADDRESS, Address, Slot, SlotId
from swarm.runtime.fake import FakeRunner
from verifier.cli.judging import require_classes

ME = Address("0x" + "11" * 20)
PLAIN = Sandbox(FakeRunner(lambda run, emit: None), "judge")


def seat(hardware_class: int, *, operator: Address = ME, active_until: int = 0) -> Slot:
    return Slot(SlotId(7), ZERO_ADDRESS, 1, active_until, 0, operator, hardware_class)


@pytest.mark.parametrize(("number", "name"), [(3, "tf32"), (4, "bf16"), (99, "number 99")])
def test_a_class_this_machine_lacks_is_refused_by_name(number, name):
    with pytest.raises(UsageError, match=f"slot 7 serves class {name}, which this machine cannot compute"):
        require_classes(PLAIN, [seat(2), seat(number)], ME)


def test_seats_of_others_and_seats_that_were_left_do_not_matter():
    require_classes(PLAIN, [seat(2), seat(4, operator=ZERO_ADDRESS), seat(4, active_until=5)], ME)
