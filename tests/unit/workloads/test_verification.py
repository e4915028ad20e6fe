# SPDX-License-Identifier: Apache-2.0
"""How a spec is checked follows from it: nobody may post another way than the certificates allow."""

import pytest

from swarm.errors import SpecError
from swarm.workloads.spec import parse_spec
from swarm.workloads.verification import Verification, refuse_other_verification, verification_for

IMAGE = "sha256:" + "a" * 64


def spec(hardware_class, *, engine="process", precision=None, verification="exact"):
    training = {"max_steps": 4, "steps_per_segment": 2, "seed": 7, "precision": precision or "fp32"}
    training |= {"adapter": "qlora"} if hardware_class.startswith("nf4") else {}
    rest = {"type": "lora", "name": "x", "budget": {"max_total": 1}, "base_model": "file:m", "training": training}
    rest |= {"datasets": [{"path": "file:d"}], "hardware_class": hardware_class}
    return parse_spec(rest | {"engine": engine, "verification": verification})


@pytest.mark.parametrize(
    ("hardware_class", "engine", "precision", "way"),
    [
        ("cpu-fp32", "process", "fp32", Verification.EXACT),
        ("cpu-fp32", IMAGE, "fp32", Verification.EXACT),
        ("fp32", "process", "fp32", Verification.TOLERANCE),
        ("bf16", "process", "bf16", Verification.TOLERANCE),
        ("nf4-fp32", "process", "fp32", Verification.TOLERANCE),
        ("nf4-bf16", "process", "bf16", Verification.TOLERANCE),
        ("nf4-bf16", IMAGE, "bf16", Verification.DELIVERY),
        ("fp32", IMAGE, "fp32", Verification.DELIVERY),
    ],
)
def test_the_way_follows_from_class_and_certificate(hardware_class, engine, precision, way):
    assert verification_for(spec(hardware_class, engine=engine, precision=precision)) is way


def test_a_class_computes_in_its_own_precision():
    with pytest.raises(SpecError, match=r"training\.precision: found 'bf16', expected 'fp32' for class cpu-fp32"):
        verification_for(spec("cpu-fp32", precision="bf16"))


def test_a_spec_that_wants_another_way_is_refused():
    """Bit equality asked of machines that differ would convict the honest; delivery would let a cheat pass."""
    for hardware_class, wanted in (("fp32", "exact"), ("cpu-fp32", "tolerance"), ("cpu-fp32", "delivery")):
        with pytest.raises(SpecError, match=f"verification: found '{wanted}'"):
            refuse_other_verification(spec(hardware_class, verification=wanted))
    refuse_other_verification(spec("fp32", verification="tolerance"))
