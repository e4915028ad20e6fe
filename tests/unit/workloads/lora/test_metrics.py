# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm.errors import IntegrityError
from swarm.workloads.lora.metrics import METRICS_FILE, compare_metrics, read_metrics, with_metrics
from swarm.workloads.workload import Assessment, Zone

GOOD = {"eval_loss": 1.25, "eval_tokens": 90, "eval_examples": 7, "eval_cut": 1, "train_examples": 53}


def folder(path: Path, content: object) -> Path:
    path.mkdir()
    if content is not None:
        (path / METRICS_FILE).write_text(content if isinstance(content, str) else json.dumps(content))
    return path


WRONG = ({"eval_loss": "nan"}, {"eval_tokens": -1}, {"eval_cut": 1.5}, {"train_examples": True})


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", "[" * 10_000, "x" * (1 << 17), *(GOOD | bad for bad in WRONG)]
)
def test_refuses_metrics_that_are_not_sound(tmp_path: Path, content: object) -> None:
    theirs, ours = folder(tmp_path / "theirs", content), folder(tmp_path / "ours", GOOD)
    with pytest.raises(IntegrityError):
        read_metrics(theirs)
    assert compare_metrics(theirs, ours) is Zone.REJECT


@pytest.mark.parametrize(
    ("claim", "zone"),
    [
        (GOOD, Zone.ACCEPT),
        (GOOD | {"eval_loss": 1.2501}, Zone.ACCEPT),
        (GOOD | {"eval_loss": 1.26}, Zone.ESCALATE),
        (GOOD | {"eval_loss": 0.9}, Zone.REJECT),
        (GOOD | {"eval_tokens": 91}, Zone.REJECT),
        (GOOD | {"train_examples": 1}, Zone.REJECT),
        (None, Zone.REJECT),
    ],
)
def test_compares_a_claim_with_what_was_measured(tmp_path: Path, claim: object, zone: Zone) -> None:
    assert compare_metrics(folder(tmp_path / "theirs", claim), folder(tmp_path / "ours", GOOD)) is zone


def test_where_none_were_wanted_none_are_compared(tmp_path: Path) -> None:
    theirs, ours = folder(tmp_path / "theirs", None), folder(tmp_path / "ours", None)
    assert read_metrics(theirs) is None
    assert compare_metrics(theirs, ours) is Zone.ACCEPT


def test_an_assessment_is_made_worse_and_never_better(tmp_path: Path) -> None:
    theirs, ours = folder(tmp_path / "theirs", GOOD | {"eval_loss": 1.26}), folder(tmp_path / "ours", GOOD)
    assert with_metrics(Assessment(Zone.ACCEPT), theirs, ours).zone is Zone.ESCALATE
    assert with_metrics(Assessment(Zone.REJECT, {"weights": 1.0}), theirs, ours).facts == {"weights": 1.0}
