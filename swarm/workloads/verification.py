# SPDX-License-Identifier: Apache-2.0
"""How a job's segments are checked: chosen when the spec is resolved, from its type, its image and its hardware class.

exact      the judge's re-execution must give the same bytes
tolerance  the judge's re-execution must lie within certified bounds
proof      the judge checks the claimed output with less work than computing it
delivery   nobody certified the image: only a result that cannot be fetched is punished

The choice is a rule and not a wish: sellers and judges refuse a spec that says anything else, so that nobody can post a
job whose honest result would be convicted, or whose false one would pass.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from swarm.errors import OtherVersion, SpecError
from swarm.protocol.hardware import EXACT_CLASS, PRECISIONS
from swarm.protocol.types import Comparison

if TYPE_CHECKING:
    from swarm.workloads.fields import Spec


class Verification(enum.StrEnum):
    EXACT = "exact"
    TOLERANCE = "tolerance"
    PROOF = "proof"
    DELIVERY = "delivery"

    @property
    def comparison(self) -> Comparison:
        """How the contracts know it: a proof is a judge's word within bounds too."""
        return _COMPARISONS[self]


_COMPARISONS = {
    Verification.EXACT: Comparison.EXACT,
    Verification.TOLERANCE: Comparison.TOLERANCE,
    Verification.PROOF: Comparison.TOLERANCE,
    Verification.DELIVERY: Comparison.DELIVERY,
}


def verification_for(spec: Spec) -> Verification:
    """How a spec is checked. Raises SpecError for a precision that its hardware class does not compute in.

    A container says by itself whether it repeats, a sweep is exact, inference is proved: their specs allow no more.
    """
    from swarm.workloads.certificates import certificate_for

    if spec.type != "lora":
        return spec.verification
    expected, found = PRECISIONS[spec.hardware_class], spec.training.precision
    if found != expected:
        raise SpecError(f"training.precision: found {found!r}, expected {expected!r} for class {spec.hardware_class}")
    if spec.hardware_class == EXACT_CLASS:
        return Verification.EXACT
    is_certified = certificate_for(spec.engine, spec.hardware_class) is not None
    return Verification.TOLERANCE if is_certified else Verification.DELIVERY


def refuse_other_verification(spec: Spec) -> None:
    """Raises OtherVersion unless the spec says what our own certificates make of it."""
    expected = verification_for(spec)
    if spec.verification is not expected:
        raise OtherVersion(f"verification: found {spec.verification.value!r}, expected {expected.value!r}")
