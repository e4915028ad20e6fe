# SPDX-License-Identifier: Apache-2.0
"""Hostile programs as processes of this user: what bubblewrap holds, what limits hold, nothing is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from swarm.clock import wait_for
from swarm.errors import JobFailed, UsageError
from swarm.runtime import bubblewrap, processes
from swarm.runtime.outputs import check_outputs
from swarm.runtime.port import JobRun, Limits, RunEnd
from swarm.runtime.process import ProcessRunner
from tests.integration import hostile

pytestmark = pytest.mark.timeout(120)
TIGHT = Limits(memory_bytes=512 << 20, cpus=1.0, pids=32, wall_seconds=60, output_bytes=16 << 20, output_files=100)
BRIEF = Limits(memory_bytes=512 << 20, cpus=1.0, pids=32, wall_seconds=3, output_bytes=16 << 20, output_files=100)


def _require_bubblewrap() -> None:
    if bubblewrap.works():
        return
    if os.environ.get("SWARM_REQUIRE_PEERS") == "1":
        pytest.fail("bubblewrap is missing or may not make namespaces here")
    pytest.skip("bubblewrap is missing or may not make namespaces here")


@pytest.fixture(params=["bubblewrap", "plain"])
def runner(request, tmp_path) -> ProcessRunner:
    if request.param == "bubblewrap":
        _require_bubblewrap()
    return ProcessRunner(use_bubblewrap=request.param == "bubblewrap", state=tmp_path / "state")


@pytest.fixture
def walled(tmp_path) -> ProcessRunner:
    _require_bubblewrap()
    return ProcessRunner(use_bubblewrap=True, state=tmp_path / "state")


@pytest.fixture
def play(tmp_path):
    """Runs a program; at the end no process may carry the token it was given as its last argument."""
    (tmp_path / "outputs").mkdir()
    (tmp_path / "file").write_text("input")
    (tmp_path / "file").chmod(0o666)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").chmod(0o777)
    token = f"token-{uuid.uuid4()}"

    def run(runner: ProcessRunner, source: str, *arguments: str, limits: Limits = TIGHT, **more):
        inputs = {"file": tmp_path / "file", "folder": tmp_path / "folder"}
        program = ("python", "-c", source, *arguments, token)
        return runner.run(JobRun("process", program, inputs, tmp_path / "outputs", limits), **more)

    yield run
    assert not _alive_with(token)
    assert not list((tmp_path / "state").rglob("*.json"))


def test_refuses_an_image(runner, tmp_path):
    with pytest.raises(UsageError, match="no images"):
        runner.run(JobRun("sha256:" + "0" * 64, ("true",), {}, _folder(tmp_path)))


def test_refuses_a_program_that_is_not_there(tmp_path):
    plain = ProcessRunner(use_bubblewrap=False, state=tmp_path / "state")
    with pytest.raises(JobFailed, match="cannot start"):
        plain.run(JobRun("process", ("no-such-program",), {}, _folder(tmp_path)))


def test_refuses_outputs_that_are_not_empty(runner, tmp_path):
    (_folder(tmp_path) / "left").write_text("")
    with pytest.raises(UsageError, match="empty"):
        runner.run(JobRun("process", ("python", "-V"), {}, tmp_path / "empty"))


def test_claims_no_isolation_of_strangers(runner):
    assert not runner.isolates_strangers


def test_ends_a_job_that_runs_for_ever(runner, play):
    outcome = play(runner, hostile.RUN_FOR_EVER, limits=BRIEF)
    assert outcome.reason is RunEnd.TIMEOUT
    assert outcome.cpu_seconds > 0


def test_ends_a_job_that_ignores_signals_when_told_to_stop(runner, play):
    stop = threading.Event()
    outcome = play(runner, hostile.IGNORE_SIGTERM, on_progress=lambda fact: stop.set(), stop=stop)
    assert outcome.reason is RunEnd.STOPPED


def test_ends_a_job_that_forks_for_ever(runner, play):
    outcome = play(runner, hostile.FORK_FOR_EVER)
    assert outcome.reason is RunEnd.FAILED
    assert "more than 32 processes" in outcome.log_tail


def test_leaves_no_daemon_behind(runner, play):
    assert play(runner, hostile.LEAVE_A_DAEMON).reason is RunEnd.OK


def test_ends_a_job_that_fills_the_disk(runner, play, tmp_path):
    assert play(runner, hostile.FILL_THE_DISK).reason is RunEnd.OUTPUT
    assert not list((tmp_path / "outputs").iterdir())


def test_ends_a_job_that_grows_one_file(runner, play, tmp_path):
    assert play(runner, hostile.GROW_ONE_FILE).reason in (RunEnd.FAILED, RunEnd.OUTPUT)
    assert sum(path.stat().st_size for path in (tmp_path / "outputs").iterdir()) <= TIGHT.output_bytes


def test_ends_a_job_that_makes_a_million_files(runner, play, tmp_path):
    assert play(runner, hostile.MAKE_A_MILLION_FILES).reason is RunEnd.OUTPUT
    assert not list((tmp_path / "outputs").iterdir())


def test_ends_a_job_that_nests_directories_beyond_any_path(runner, play, tmp_path):
    assert play(runner, hostile.NEST_DIRECTORIES).reason is RunEnd.OUTPUT
    assert not list((tmp_path / "outputs").iterdir())


def test_a_locked_directory_can_still_be_removed(runner, play, tmp_path):
    play(runner, hostile.LOCK_A_DIRECTORY)
    assert all(os.access(path, os.R_OK | os.X_OK) for path in (tmp_path / "outputs").iterdir())


def test_ends_a_job_that_fills_memory(runner, play):
    assert play(runner, hostile.FILL_MEMORY).reason is RunEnd.MEMORY


def test_ends_a_job_that_prints_100_megabytes(runner, play):
    outcome = play(runner, hostile.PRINT_100_MB)
    assert outcome.reason is RunEnd.OUTPUT
    assert len(outcome.log_tail) < 100_000


@pytest.mark.parametrize("kind", hostile.ODD_OUTPUTS)
def test_refuses_outputs_that_are_no_plain_files(runner, play, tmp_path, kind):
    assert play(runner, hostile.ODD_OUTPUTS[kind]).reason is RunEnd.OK
    with pytest.raises(JobFailed, match=kind):
        check_outputs(tmp_path / "outputs", TIGHT)


def test_bubblewrap_gives_no_network(walled, play):
    with socket.create_server(("127.0.0.1", 0)) as server:
        outcome = play(walled, hostile.OPEN_A_SOCKET, "127.0.0.1", str(server.getsockname()[1]))
    assert outcome.reason is RunEnd.OK, outcome.log_tail


def test_bubblewrap_shows_no_file_of_the_user(walled, play, tmp_path):
    (tmp_path / "secret").write_text("key")
    repository = Path(__file__).resolve().parents[2]
    paths = [tmp_path / "secret", repository / ".git", repository / "tests", "/etc/passwd", "/etc/hostname", "/var/run"]
    outcome = play(walled, hostile.READ_HOST_FILES, *map(str, paths))
    assert outcome.reason is RunEnd.OK, outcome.log_tail


def test_bubblewrap_lets_nothing_be_written_outside_the_outputs(walled, play):
    outcome = play(walled, hostile.WRITE_OUTSIDE)
    assert outcome.reason is RunEnd.OK, outcome.log_tail


def test_bubblewrap_bounds_temporary_files(walled, play):
    roomy = Limits(memory_bytes=512 << 20, wall_seconds=60)
    outcome = play(walled, hostile.FILL_TEMPORARY_FILES, limits=roomy)
    assert outcome.reason is RunEnd.OK, outcome.log_tail


def test_bubblewrap_gives_no_privilege(walled, play):
    outcome = play(walled, hostile.GAIN_PRIVILEGE)
    assert outcome.reason is RunEnd.OK, outcome.log_tail


def test_passes_no_variable_of_the_host(walled, play, monkeypatch):
    monkeypatch.setenv("SWARM_TEST_SECRET", "key")
    outcome = play(walled, hostile.SEE_THE_ENVIRONMENT)
    assert outcome.reason is RunEnd.OK, outcome.log_tail


def test_a_failing_program_ends_with_its_code_and_last_words(runner, play):
    outcome = play(runner, "import sys; print('no luck', file=sys.stderr); sys.exit(7)")
    assert (outcome.reason, outcome.exit_code, outcome.log_tail) == (RunEnd.FAILED, 7, "no luck")


def test_a_failing_listener_ends_the_job(runner, play):
    def fail(fact: dict) -> None:
        raise ValueError("listener")

    with pytest.raises(ValueError, match="listener"):
        play(runner, hostile.IGNORE_SIGTERM, on_progress=fail)


def test_an_honest_job_imports_the_package_reads_inputs_and_writes_outputs(runner, play, tmp_path):
    facts = []
    outcome = play(
        runner,
        "import os, json; from swarm.errors import JobFailed\n"
        "text = open(os.environ['SWARM_INPUTS'] + '/file').read()\n"
        "open(os.environ['SWARM_OUTPUTS'] + '/copy', 'w').write(text)\n"
        "print(json.dumps({'event': 'finished', 'loss': 0.5}))",
        on_progress=facts.append,
    )
    assert outcome.reason is RunEnd.OK, outcome.log_tail
    assert (tmp_path / "outputs" / "copy").read_text() == "input"
    assert facts == [{"event": "finished", "loss": 0.5}]


def test_a_job_ends_with_its_worker(runner, tmp_path):
    """The worker is killed with -9; its launcher notices."""
    token = _start_and_kill(runner, tmp_path, also_launcher=False)
    wait_for(lambda: not _alive_with(token), timeout_seconds=20, what="the orphan to be ended")


def test_what_a_killed_worker_and_its_launcher_left_is_reaped(runner, tmp_path):
    token = _start_and_kill(runner, tmp_path, also_launcher=True)
    runner.reap("somebody else")
    runner.reap("tester")
    wait_for(lambda: not _alive_with(token), timeout_seconds=20, what="the orphan to be reaped")
    assert not list((tmp_path / "state").rglob("*.json"))


def _start_and_kill(runner: ProcessRunner, tmp_path: Path, *, also_launcher: bool) -> str:
    token = f"token-{uuid.uuid4()}"
    script = (
        "import sys; from pathlib import Path\n"
        "from swarm.runtime.process import ProcessRunner; from swarm.runtime.port import JobRun\n"
        f"program = ('python', '-c', {hostile.IGNORE_SIGTERM!r}, sys.argv[3])\n"
        f"runner = ProcessRunner(use_bubblewrap={runner.has_bubblewrap}, state=Path(sys.argv[2]))\n"
        "job = JobRun('process', program, {}, Path(sys.argv[1]), owner='tester')\n"
        "runner.run(job, on_progress=lambda fact: print('ready', flush=True))\n"
    )
    command = [sys.executable, "-c", script, str(_folder(tmp_path)), str(tmp_path / "state"), token]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout.readline() == "ready\n"
        assert _alive_with(token)
        launchers = [each for each in processes.descendants(worker.pid) if each.parent == worker.pid]
        for each in launchers if also_launcher else []:
            os.kill(each.pid, signal.SIGKILL)
        worker.send_signal(signal.SIGKILL)
    return token


def _alive_with(token: str) -> list[int]:
    """Processes whose command line has the token."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            try:
                line = Path("/proc", name, "cmdline").read_bytes()
            except OSError:
                continue
            if token.encode() in line and processes.entry(int(name)):
                found.append(int(name))
    return found


def _folder(parent: Path) -> Path:
    (parent / "empty").mkdir()
    return parent / "empty"
