# SPDX-License-Identifier: Apache-2.0
"""How a run that ended badly is told: its reason, the program's last words, and the cure."""

from __future__ import annotations

import pytest

from swarm.errors import JobFailed
from swarm.execution.segments import raise_unless_ok
from swarm.runtime.port import RunEnd, RunOutcome


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            RunEnd.MEMORY,
            "the job ended with memory (exit code 137): last (lower micro_batch_size or sequence_len, or set",
        ),
        (RunEnd.TIMEOUT, "(raise segment_seconds and run_seconds, or make segments shorter)"),
        (RunEnd.FAILED, "the job ended with failed (exit code 137): last"),
    ],
)
def test_says_what_helps(reason: RunEnd, words: str) -> None:
    outcome = RunOutcome(reason=reason, exit_code=137, wall_seconds=1.0, cpu_seconds=1.0, log_tail="first\nlast\n")
    with pytest.raises(JobFailed) as caught:
        raise_unless_ok(outcome)
    assert words in str(caught.value)
    assert caught.value.exit_code == 10
