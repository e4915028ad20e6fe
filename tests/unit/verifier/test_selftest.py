# SPDX-License-Identifier: Apache-2.0
"""A machine that gets other bytes than every judge must not judge."""

import json
import threading
import time
from types import SimpleNamespace

import pytest

from swarm.errors import IntegrityError, TransientError, UsageError
from swarm.execution import golden
from swarm.execution.golden import Golden, write_model
from swarm.execution.segments import Sandbox
from swarm.protocol.commitment import file_digest
from swarm.runtime.fake import FakeRunner
from verifier import selftest
from verifier.selftest import Selftest, engine_for

MODEL = "0191a65ca46713b0cf82ddc8fcd3b212a3ab594493e7c337199c75548447a890"
GOOD = Golden(True, bytes.fromhex(golden.DIGESTS["cpu-fp32"]), 2.0)


@pytest.fixture
def made(tmp_path):
    """A selftest whose golden run is replaced; counts the runs."""
    runs = []

    def make(answer=GOOD, engine="process", seconds=0.0):
        def run(sandbox, engine, workspace, **options):
            runs.append(engine)
            time.sleep(seconds)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return Selftest(Sandbox(FakeRunner(lambda run, emit: None), "test"), engine, tmp_path / "shared", run=run)

    return SimpleNamespace(make=make, runs=runs, folder=tmp_path / "shared", work=tmp_path / "work")


def test_refuses_to_judge_with_other_bytes(made):
    with pytest.raises(IntegrityError, match="every other judge gets 24a0a86fcd6f7fe2"):
        made.make(Golden(False, b"\x01" * 32, 2.0)).require(made.work)


def test_a_failure_forgets_an_earlier_pass(made):
    made.make().require(made.work)
    with pytest.raises(IntegrityError):
        made.make(Golden(False, b"\x01" * 32, 2.0)).require(made.work, fresh=True)
    made.make().require(made.work)
    assert len(made.runs) == 3


def test_an_engine_that_is_down_is_no_pass(made):
    with pytest.raises(TransientError):
        made.make(TransientError("down")).require(made.work)
    made.make().require(made.work)
    assert len(made.runs) == 2


@pytest.mark.parametrize("change", [{"at": 0}, {"digest": "00"}, {"at": time.time() + 9_999}])
def test_an_old_or_odd_note_is_no_pass(made, change):
    made.make().require(made.work)
    note = next(made.folder.glob("*.json"))
    note.write_text(json.dumps(json.loads(note.read_text()) | change))
    made.make().require(made.work)
    assert len(made.runs) == 2


def test_a_pass_is_good_for_a_day_and_for_one_engine(made):
    assert made.make().require(made.work).age_seconds == 0
    assert made.make().require(made.work).seconds == 2.0
    assert len(made.runs) == 1
    made.make(engine="sha256:" + "1" * 64).require(made.work)
    assert len(made.runs) == 2


def test_daemons_that_start_together_train_once(made):
    threads = [threading.Thread(target=made.make(seconds=0.2).require, args=(made.work,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made.runs) == 1


def test_refuses_a_sandbox_that_runs_no_image_we_hold():
    runner = SimpleNamespace(accepts=lambda engine: engine == "process")
    box = Sandbox(runner, "test")
    assert engine_for(box, [None, "sha256:" + "0" * 64, "process"]) == "process"
    with pytest.raises(UsageError, match="no image"):
        engine_for(box, [None, "sha256:" + "0" * 64])


def test_the_golden_model_has_the_same_bytes_everywhere(tmp_path):
    """Else the digest would test the maker of the model and not the machine."""
    write_model(tmp_path / "model", hidden=64, layers=2)
    assert file_digest(tmp_path / "model" / "model.safetensors").hex() == MODEL
    assert selftest.HARDWARE_CLASS in golden.DIGESTS
