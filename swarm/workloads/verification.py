# SPDX-License-Identifier: Apache-2.0
"""How a job's segments are checked: chosen when the spec is resolved, from its type, its image and its hardware class.

exact      the judge's re-execution must give the same bytes
tolerance  the judge's re-execution must lie within certified bounds
proof      the judge checks the claimed output with less work than computing it
delivery   nobody certified the image: only a result that cannot be fetched is punished
"""

from __future__ import annotations

import enum

from swarm.protocol.types import Comparison


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
