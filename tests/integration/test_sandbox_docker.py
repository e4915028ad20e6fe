# SPDX-License-Identifier: Apache-2.0
"""Hostile programs in real containers: what each of them cannot do, how it ends, and that nothing is left of it."""

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
from swarm.errors import JobFailed, SwarmError, UsageError
from swarm.runtime import engine as engines
from swarm.runtime.base_image import find_base
from swarm.runtime.docker import OWNER_LABEL, DockerRunner
from swarm.runtime.outputs import check_outputs
from swarm.runtime.port import JobRun, Limits, RunEnd
from tests.integration import hostile

pytestmark = pytest.mark.timeout(120)
TIGHT = Limits(memory_bytes=256 << 20, cpus=1.0, pids=32, wall_seconds=60, output_bytes=16 << 20, output_files=100)
BRIEF = Limits(memory_bytes=256 << 20, cpus=1.0, pids=32, wall_seconds=3, output_bytes=16 << 20, output_files=100)


@pytest.fixture(scope="module")
def image() -> str:
    """A small image with Python: hostile programs need no torch."""
    try:
        client = engines.connect()
        return find_base(client, None, print)
    except SwarmError as error:
        if os.environ.get("SWARM_REQUIRE_PEERS") == "1":
            raise
        pytest.skip(f"containers cannot be tried here: {error}")


@pytest.fixture
def owner():
    """A label of its own; at the end no container may carry it."""
    name = f"test-{uuid.uuid4()}"
    yield name
    found = engines.connect().containers(all=True, filters={"label": f"{OWNER_LABEL}={name}"})
    DockerRunner().reap(name)
    assert not found


@pytest.fixture
def play(image, owner, tmp_path):
    """Runs a program in a container; its outputs are in tmp_path / "outputs"."""
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    (tmp_path / "file").write_text("input")
    (tmp_path / "file").chmod(0o666)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").chmod(0o777)

    def run(source: str, *arguments: str, limits: Limits = TIGHT, **more):
        inputs = {"file": tmp_path / "file", "folder": tmp_path / "folder"}
        program = ("python3", "-c", source, *arguments)
        job = JobRun(image, program, inputs, outputs, limits, owner=owner)
        return DockerRunner().run(job, **more)

    return run


def test_refuses_a_tag_and_names_the_digest(image, tmp_path):
    client = engines.connect()
    client.tag(image, "computeswarm-test", "tagged")
    try:
        with pytest.raises(UsageError, match=image):
            DockerRunner().run(JobRun("computeswarm-test:tagged", ("true",), {}, _folder(tmp_path)))
        assert not DockerRunner().accepts("computeswarm-test:tagged")
    finally:
        client.remove_image("computeswarm-test:tagged")


def test_refuses_an_image_the_engine_does_not_hold(image, tmp_path):
    with pytest.raises(UsageError, match="does not hold"):
        DockerRunner().run(JobRun("sha256:" + "0" * 64, ("true",), {}, _folder(tmp_path)))


def test_refuses_an_image_that_declares_volumes(image, tmp_path):
    client = engines.connect()
    parent = client.create_container(image, ["true"])
    digest = client.commit(parent, changes="VOLUME /data")["Id"]
    client.remove_container(parent, v=True)
    try:
        with pytest.raises(UsageError, match="volumes"):
            DockerRunner().run(JobRun(digest, ("true",), {}, _folder(tmp_path)))
    finally:
        client.remove_image(digest)


def test_refuses_a_program_that_is_not_there(image, owner, tmp_path):
    with pytest.raises(JobFailed, match="refused"):
        DockerRunner().run(JobRun(image, ("no-such-program",), {}, _folder(tmp_path), owner=owner))


def test_ends_a_job_that_runs_for_ever(play):
    assert play(hostile.RUN_FOR_EVER, limits=BRIEF).reason is RunEnd.TIMEOUT


def test_ends_a_job_that_ignores_signals_when_told_to_stop(play):
    stop = threading.Event()
    outcome = play(hostile.IGNORE_SIGTERM, on_progress=lambda fact: stop.set(), stop=stop)
    assert outcome.reason is RunEnd.STOPPED


def test_ends_a_job_that_forks_for_ever(play):
    assert play(hostile.FORK_FOR_EVER, limits=BRIEF).reason is RunEnd.TIMEOUT


def test_leaves_no_daemon_behind(play):
    assert play(hostile.LEAVE_A_DAEMON).reason is RunEnd.OK


def test_ends_a_job_that_fills_the_disk(play, tmp_path):
    assert play(hostile.FILL_THE_DISK).reason is RunEnd.OUTPUT
    assert not list((tmp_path / "outputs").iterdir())


def test_ends_a_job_that_grows_one_file(play, tmp_path):
    outcome = play(hostile.GROW_ONE_FILE)
    assert outcome.reason in (RunEnd.FAILED, RunEnd.OUTPUT)
    assert sum(path.stat().st_size for path in (tmp_path / "outputs").iterdir()) <= TIGHT.output_bytes


def test_ends_a_job_that_makes_a_million_files(play, tmp_path):
    assert play(hostile.MAKE_A_MILLION_FILES).reason is RunEnd.OUTPUT
    assert not list((tmp_path / "outputs").iterdir())


def test_ends_a_job_that_nests_directories_beyond_any_path(play, tmp_path):
    assert play(hostile.NEST_DIRECTORIES).reason is RunEnd.OUTPUT
    assert not list((tmp_path / "outputs").iterdir())


def test_ends_a_job_that_fills_memory(play):
    assert play(hostile.FILL_MEMORY).reason is RunEnd.MEMORY


def test_ends_a_job_that_prints_100_megabytes(play):
    outcome = play(hostile.PRINT_100_MB)
    assert outcome.reason is RunEnd.OUTPUT
    assert len(outcome.log_tail) < 100_000


def test_gives_no_network(play):
    with socket.create_server(("0.0.0.0", 0)) as server:
        outcome = play(hostile.OPEN_A_SOCKET, _own_address(), str(server.getsockname()[1]))
    assert outcome.reason is RunEnd.OK, outcome.log_tail


def test_shows_no_file_of_the_host(play, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("key")
    secret.chmod(0o644)
    outcome = play(
        hostile.READ_HOST_FILES, str(secret), "/var/run/docker.sock", "/run/docker.sock", str(Path.home() / ".ssh")
    )
    assert outcome.reason is RunEnd.OK, outcome.log_tail


def test_lets_nothing_be_written_outside_the_outputs(play):
    outcome = play(hostile.WRITE_OUTSIDE)
    assert outcome.reason is RunEnd.OK, outcome.log_tail


def test_bounds_temporary_files(play):
    outcome = play(hostile.FILL_TEMPORARY_FILES, limits=Limits(memory_bytes=1 << 30, wall_seconds=60))
    assert outcome.reason is RunEnd.OK, outcome.log_tail


def test_gives_no_privilege(play):
    outcome = play(hostile.GAIN_PRIVILEGE)
    assert outcome.reason is RunEnd.OK, outcome.log_tail


def test_passes_no_variable_of_the_host(play, monkeypatch):
    monkeypatch.setenv("SWARM_TEST_SECRET", "key")
    outcome = play(hostile.SEE_THE_ENVIRONMENT)
    assert outcome.reason is RunEnd.OK, outcome.log_tail


@pytest.mark.parametrize("kind", hostile.ODD_OUTPUTS)
def test_refuses_outputs_that_are_no_plain_files(play, tmp_path, kind):
    assert play(hostile.ODD_OUTPUTS[kind]).reason is RunEnd.OK
    with pytest.raises(JobFailed, match=kind):
        check_outputs(tmp_path / "outputs", TIGHT)


def test_a_failing_program_ends_with_its_code_and_last_words(play):
    outcome = play("import sys; print('no luck', file=sys.stderr); sys.exit(7)")
    assert (outcome.reason, outcome.exit_code, outcome.log_tail) == (RunEnd.FAILED, 7, "no luck")


def test_a_failing_listener_ends_the_job(play):
    def fail(fact: dict) -> None:
        raise ValueError("listener")

    with pytest.raises(ValueError, match="listener"):
        play(hostile.IGNORE_SIGTERM, on_progress=fail)


def test_an_honest_job_reads_its_inputs_and_gives_outputs_to_the_worker(play, tmp_path):
    (tmp_path / "file").chmod(0o600)
    facts = []
    outcome = play(
        "import os; text = open(os.environ['SWARM_INPUTS'] + '/file').read()\n"
        "os.mkdir('/outputs/deep'); open('/outputs/deep/copy', 'w').write(text)\n"
        'print(\'{"event": "finished", "cpu_seconds": 0.5}\')',
        on_progress=facts.append,
    )
    copy = tmp_path / "outputs" / "deep" / "copy"
    assert outcome.reason is RunEnd.OK, outcome.log_tail
    assert copy.read_text() == "input"
    assert copy.stat().st_uid == copy.parent.stat().st_uid == os.geteuid()
    assert facts == [{"event": "finished", "cpu_seconds": 0.5}]
    assert check_outputs(tmp_path / "outputs", TIGHT).files == 1


def test_what_a_killed_worker_left_is_reaped(image, owner, tmp_path):
    """Killed with -9 in the middle of a job, then started again."""
    script = (
        "import sys; from pathlib import Path\n"
        "from swarm.runtime.docker import DockerRunner; from swarm.runtime.port import JobRun\n"
        f"program = ('python3', '-c', {hostile.IGNORE_SIGTERM!r})\n"
        "job = JobRun(sys.argv[1], program, {}, Path(sys.argv[2]), owner=sys.argv[3])\n"
        "DockerRunner().run(job, on_progress=lambda fact: print('ready', flush=True))\n"
    )
    command = [sys.executable, "-c", script, image, str(_folder(tmp_path)), owner]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout.readline() == "ready\n"
        worker.send_signal(signal.SIGKILL)
    client = engines.connect()
    wanted = {"label": f"{OWNER_LABEL}={owner}"}
    assert len(client.containers(filters=wanted)) == 1
    DockerRunner().reap("somebody else")
    assert len(client.containers(filters=wanted)) == 1
    DockerRunner().reap(owner)
    wait_for(lambda: not client.containers(all=True, filters=wanted), timeout_seconds=10, what="the reaped container")


def _folder(parent: Path) -> Path:
    (parent / "empty").mkdir()
    return parent / "empty"


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]
