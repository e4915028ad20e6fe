# SPDX-License-Identifier: Apache-2.0
"""Attack 57: jobs that try to get out of a real container. Those that disturb nobody share one, next to a neighbour."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from pathlib import Path

import pytest

from swarm.errors import JobFailed
from swarm.runtime import engine as engines
from swarm.runtime.docker import OWNER_LABEL, DockerRunner
from swarm.runtime.outputs import check_outputs
from swarm.runtime.port import JobRun, Limits, RunEnd
from tests.integration import escapes, hostile
from tests.integration.test_sandbox_docker import TIGHT, _own_address, image, owner, play  # noqa: F401

pytestmark = pytest.mark.timeout(120)
SECONDS = Limits(memory_bytes=256 << 20, cpus=1.0, pids=32, wall_seconds=2, output_bytes=16 << 20, output_files=100)

NEIGHBOUR = """
import os, sys, time
for place in ("/tmp/", "/dev/shm/", os.environ["SWARM_OUTPUTS"] + "/"):
    open(place + sys.argv[1], "w").write(sys.argv[1])
print('{"event": "ready"}', flush=True)
time.sleep(60)
"""
FILL_MEMORY_FILES = """
import os
while True: os.write(os.memfd_create("x"), b"x" * (8 << 20))
"""
FILL_SHARED_MEMORY_FROM_CHILDREN = """
import mmap, os
for _ in range(8):
    if os.fork() == 0:
        held = mmap.mmap(-1, 64 << 20)
        while True:
            for at in range(0, len(held), 4096): held[at] = 1
for _ in range(8): os.wait()
"""
OUTLIVE = """
import os, signal, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork(): os._exit(0)
while True:
    try: os.fork() or time.sleep(60)
    except OSError: time.sleep(0.1)
"""
LINK_TRICKS = {
    "a symbolic link": "os.symlink('/', 'segments')",
    "a hard link": "open('a', 'w').write('x'); os.mkdir('segments'); os.link('a', 'segments/b')",
}


@pytest.fixture(scope="module")
def attempts(image, tmp_path_factory):
    """Name of each attempt → what it got, while another job with secrets runs beside it."""
    folder = tmp_path_factory.mktemp("escapes")
    marker, name = f"marker-{uuid.uuid4().hex}", f"test-{uuid.uuid4()}"
    secret = folder / "secret"
    secret.write_text("key")
    secret.chmod(0o644)
    for place in ("outputs", "next", "folder"):
        (folder / place).mkdir()
    (folder / "file").write_text("input")
    (folder / "file").chmod(0o666)
    (folder / "folder").chmod(0o777)
    ready, stop, found = threading.Event(), threading.Event(), {}

    def live() -> None:
        program = ("python3", "-c", NEIGHBOUR, marker)
        run = JobRun(image, program, {"secret": secret}, folder / "next", TIGHT, owner=name)
        DockerRunner().run(run, on_progress=lambda fact: ready.set(), stop=stop)

    neighbour = threading.Thread(target=live)
    neighbour.start()
    try:
        assert ready.wait(30)
        with socket.create_server(("0.0.0.0", 0)) as server:
            facts = {"host": _own_address(), "port": server.getsockname()[1], "secret": str(secret), "marker": marker}
            program = ("python3", "-c", Path(escapes.__file__).read_text(), json.dumps(facts))
            inputs = {"file": folder / "file", "folder": folder / "folder"}
            run = JobRun(image, program, inputs, folder / "outputs", TIGHT, owner=name)
            outcome = DockerRunner().run(run, on_progress=lambda fact: found.update({fact["name"]: fact["got"]}))
        assert outcome.reason is RunEnd.OK, outcome.log_tail
    finally:
        stop.set()
        neighbour.join()
    assert not engines.connect().containers(all=True, filters={"label": f"{OWNER_LABEL}={name}"})
    assert (folder / "file").read_text() == "input"
    return found


@pytest.mark.parametrize("name", list(escapes.ATTEMPTS))
def test_gets_nothing(attempts, name):
    assert attempts[name] is None


def test_every_attempt_was_made(attempts):
    assert set(attempts) == set(escapes.ATTEMPTS) and len(attempts) >= 15


def test_memory_files_count_as_the_jobs_memory(play):
    assert play(FILL_MEMORY_FILES).reason is RunEnd.MEMORY


def test_memory_of_children_counts_together(play):
    """Eight times 64 MiB under a limit of 256: the kernel ends some of them, and the machine is not touched."""
    began = time.monotonic()
    outcome = play(FILL_SHARED_MEMORY_FROM_CHILDREN, limits=SECONDS)
    assert outcome.reason in (RunEnd.MEMORY, RunEnd.TIMEOUT) and time.monotonic() - began < 30


def test_a_tree_of_processes_that_ignore_everything_does_not_outlive_its_time(play):
    began = time.monotonic()
    assert play(OUTLIVE, limits=SECONDS).reason is RunEnd.TIMEOUT
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("kind", LINK_TRICKS)
def test_links_where_a_segment_should_be_are_refused(play, tmp_path, kind):
    assert play(hostile.leave(LINK_TRICKS[kind])).reason is RunEnd.OK
    with pytest.raises(JobFailed, match=kind):
        check_outputs(tmp_path / "outputs", TIGHT)
