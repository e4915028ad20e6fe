# SPDX-License-Identifier: Apache-2.0
"""Jobs in containers: no network, nothing writable but /outputs and a small /tmp, no privilege, all bounded."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from swarm.errors import SwarmError, UsageError
from swarm.log import Log
from swarm.runtime import engine as engines
from swarm.runtime.engine import LogConfig, Mount, Ulimit, engine_errors, gpu_requests
from swarm.runtime.environment import environment_of
from swarm.runtime.gpu_loan import lent
from swarm.runtime.hardening import runtime_of, security_options
from swarm.runtime.lines import Lines
from swarm.runtime.outputs import empty, reclaim, require_free_space
from swarm.runtime.port import JobRun, Progress, RunEnd, RunOutcome, require_startable
from swarm.runtime.supervise import Every, supervise

LABEL = "computeswarm"
OWNER_LABEL = "computeswarm.owner"
# A number no distribution hands out, so that no account of the host shares files with a job.
JOB_UID = 61184
TMP_BYTES = 64 << 20
SHARED_MEMORY_BYTES = 64 << 20
_OPEN_FILES = 4096
_STATS_PERIOD_SECONDS = 1.0

log = Log("swarm.runtime")


class DockerRunner:
    """Runs jobs through the local Docker engine, from images that it already holds, by digest."""

    name = "docker"
    isolates_strangers = True

    def check(self) -> None:
        """Raises TransientError when no engine answers, UsageError when it cannot hold a job."""
        client = engines.connect()
        with engine_errors():
            security = client.info().get("SecurityOptions") or []
        if any("rootless" in option for option in security):
            # Its user numbers are mapped: neither a fixed one nor ours could own the outputs.
            raise UsageError("rootless Docker engines are not supported yet", hint="use a rootful engine")

    def accepts(self, engine: str) -> bool:
        """Whether `engine` is a digest of an image that the engine holds."""
        return engines.is_digest(engine) and engines.find_image(engines.connect(), engine) is not None

    def run(
        self, run: JobRun, *, on_progress: Progress | None = None, stop: threading.Event | None = None
    ) -> RunOutcome:
        require_startable(run)
        client = engines.connect()
        _require_image(client, run.engine)
        with ExitStack() as around:
            around.enter_context(lent(run.gpu))  # the outermost: its memory is looked at when the container is gone
            inputs = around.enter_context(_readable_inputs(run))
            around.enter_context(_writable_outputs(run))
            container = around.enter_context(_container(client, run, inputs))
            begin = time.monotonic()
            with engine_errors():
                work = _Container(client, container)
            end = supervise(work, run, on_progress=on_progress, stop=stop)
            outcome = work.outcome(end, time.monotonic() - begin, run.limits.cpus)
        if outcome.reason is RunEnd.OUTPUT:
            empty(run.outputs)
        return outcome

    def passes_gpus(self) -> bool:
        """Whether a job can be given a GPU. Raises TransientError when no engine answers."""
        return engines.passes_gpus(engines.connect())

    def reap(self, owner: str) -> None:
        """Removes the containers that a killed worker left behind; none when no engine answers."""
        try:
            client = engines.connect()
        except SwarmError:
            return
        with engine_errors():
            for found in client.containers(all=True, filters={"label": f"{OWNER_LABEL}={owner}"}):
                _remove(client, found["Id"])


class _Container:
    """A started container as its supervisor sees it."""

    def __init__(self, client: Any, container: str) -> None:
        self.lines = Lines()
        self._client, self._id = client, container
        self._cpu_seconds = 0.0
        self._stats_are_due = Every(_STATS_PERIOD_SECONDS)
        # Attached before the start, so that the first line is not lost.
        stream = client.attach(container, stdout=True, stderr=True, stream=True, demux=True)
        client.start(container)
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def has_ended(self) -> bool:
        return not self._reader.is_alive() and not self._state()["Running"]

    def broken_limit(self) -> RunEnd | None:
        """Memory and processes are the kernel's affair; here the processor time is read and a lost stream noticed."""
        if self._stats_are_due():
            self._cpu_seconds = max(self._cpu_seconds, self._read_cpu_seconds())
        return None

    def kill(self) -> None:
        try:
            self._client.kill(self._id)
        except Exception as error:
            if not engines.is_absent(error):
                with engine_errors():
                    raise

    def outcome(self, end: RunEnd | None, wall_seconds: float, cpus: float) -> RunOutcome:
        state = self._state()
        code = state["ExitCode"]
        # The counter is gone with the container; the program's own word fills its last second, within what is possible.
        cpu_seconds = max(self._cpu_seconds, min(self.lines.claimed_cpu_seconds, wall_seconds * cpus))
        return RunOutcome(
            end or _end_of(state), code, wall_seconds, cpu_seconds, self.lines.tail(), self.lines.stdout_sha256
        )

    def _read(self, stream: Iterator[tuple[bytes | None, bytes | None]]) -> None:
        try:
            for stdout, stderr in stream:
                self.lines.feed("stdout", stdout or b"")
                self.lines.feed("stderr", stderr or b"")
        except Exception as error:  # whatever broke the stream, the container's state tells how the run stands
            log.warning("stream_lost", error=str(error))
        self.lines.finish()

    def _state(self) -> dict[str, Any]:
        with engine_errors():
            return self._client.inspect_container(self._id)["State"]

    def _read_cpu_seconds(self) -> float:
        with engine_errors():
            stats = self._client.stats(self._id, stream=False, one_shot=True)
        return stats.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage", 0) / 1e9


def _end_of(state: dict[str, Any]) -> RunEnd:
    if state["ExitCode"] == 0:
        return RunEnd.OK
    return RunEnd.MEMORY if state["OOMKilled"] else RunEnd.FAILED


def _require_image(client: Any, engine: str) -> None:
    """Raises UsageError unless `engine` is a digest, is held here, and would not bring writable volumes."""
    found = engines.find_image(client, engine) if engine else None
    if not engines.is_digest(engine):
        hint = f"its digest is {found['Id']}" if found else "a digest reads sha256:… or repository@sha256:…"
        raise UsageError(f"an image is named by digest, not {engine[:100]!r}: a tag can change between runs", hint=hint)
    if found is None:
        raise UsageError(f"the engine does not hold {engine}", hint="python3 scripts/build_image.py")
    if found["Config"].get("Volumes"):
        raise UsageError("the image declares volumes", hint="they would be writable without bound")


@contextmanager
def _container(client: Any, run: JobRun, inputs: dict[str, Path]) -> Iterator[str]:
    """A created container; removed whatever happens."""
    with engine_errors():
        container = client.create_container(**_settings(client, run, inputs))["Id"]
    try:
        yield container
    finally:
        try:
            _remove(client, container)
        except SwarmError as error:
            log.warning("container_not_removed", container=container[:12], error=str(error))


def _settings(client: Any, run: JobRun, inputs: dict[str, Path]) -> dict[str, Any]:
    """The whole sandbox, as the engine's API takes it. The engine never pulls on create."""
    return {
        "image": run.engine,
        "entrypoint": [run.program[0]],
        "command": list(run.program[1:]),
        "environment": environment_of(run, inputs="/inputs", outputs="/outputs", scratch="/tmp"),
        "user": "{}:{}".format(*_identity()),
        "working_dir": "/tmp",
        "hostname": "job",
        "labels": {LABEL: "job", OWNER_LABEL: run.owner},
        "healthcheck": {"test": ["NONE"]},
        "host_config": client.create_host_config(**_confinement(client, run), mounts=_mounts(run, inputs)),
    }


def _confinement(client: Any, run: JobRun) -> dict[str, Any]:
    limits = run.limits
    file_bytes = limits.output_bytes
    info = client.info()
    return {
        "network_mode": "none",
        "ipc_mode": "private",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": security_options(),
        # A second kernel does not drive our GPU: there the engine's own runtime holds the job.
        "runtime": None if run.gpu else runtime_of(info.get("Runtimes") or {}),
        "device_requests": gpu_requests(run.gpu),
        "mem_limit": limits.memory_bytes,
        "memswap_limit": limits.memory_bytes,  # the same number: no swap
        "nano_cpus": int(min(limits.cpus, info["NCPU"]) * 1e9),
        "pids_limit": limits.pids,
        "oom_score_adj": 500,
        "shm_size": SHARED_MEMORY_BYTES,
        "tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,size={TMP_BYTES},mode=1777"},
        # A quota on /outputs needs a file system made for it, a tmpfs would count as the job's memory. So no single
        # file can pass the limit (fsize), and the supervisor kills the job when their sum or number does, 0.2 s later.
        "ulimits": [
            Ulimit(name="fsize", soft=file_bytes, hard=file_bytes),
            Ulimit(name="nofile", soft=_OPEN_FILES, hard=_OPEN_FILES),
            Ulimit(name="core", soft=0, hard=0),
        ],
        "log_config": LogConfig(type="json-file", config={"max-size": "1m", "max-file": "1"}),
        "restart_policy": {"Name": "no"},
    }


def _mounts(run: JobRun, inputs: dict[str, Path]) -> list[Mount]:
    ours = [
        Mount(f"/inputs/{name}", str(path), type="bind", read_only=True, propagation="rprivate")
        for name, path in inputs.items()
    ]
    return [*ours, Mount("/outputs", str(run.outputs.resolve()), type="bind", propagation="rprivate")]


def _identity() -> tuple[int, int]:
    """Never root: a number of its own where we can hand outputs over, else ourselves, so that the outputs are ours."""
    return (JOB_UID, JOB_UID) if os.geteuid() == 0 else (os.getuid(), os.getgid())


@contextmanager
def _writable_outputs(run: JobRun) -> Iterator[None]:
    """Hands the output directory to the job, and back to its owner when the container is gone."""
    require_free_space(run.outputs)
    owner = run.outputs.stat()
    if os.geteuid() == 0:
        os.chown(run.outputs, *_identity())
    run.outputs.chmod(0o700)
    try:
        yield
    finally:
        reclaim(run.outputs, run.limits, owner.st_uid, owner.st_gid)


@contextmanager
def _readable_inputs(run: JobRun) -> Iterator[dict[str, Path]]:
    """The inputs as the job's user can read them: a copy where we are root and a file is closed to others."""
    found = {name: path.resolve() for name, path in run.inputs.items()}
    with tempfile.TemporaryDirectory(prefix=".inputs-", dir=run.outputs.parent) as folder:
        for name, path in found.items():
            if os.geteuid() == 0 and not _is_open(path):
                found[name] = _opened_copy(path, Path(folder) / name)
        yield found


def _is_open(path: Path) -> bool:
    folders = [(base, names, files) for base, names, files in os.walk(path)]
    paths = [path, *(Path(base) / name for base, names, files in folders for name in (*names, *files))]
    return all(_others_may_read(entry) for entry in paths)


def _others_may_read(path: Path) -> bool:
    mode = path.lstat().st_mode
    need = stat.S_IROTH | stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH
    return mode & need == need


def _opened_copy(source: Path, target: Path) -> Path:
    if source.is_file():
        _copy_open(source, target)
        return target
    shutil.copytree(source, target, symlinks=True, copy_function=_copy_open)
    for base, _, _ in os.walk(target):
        os.chmod(base, 0o755)
    return target


def _copy_open(source: str | Path, target: str | Path) -> None:
    shutil.copyfile(source, target)
    os.chmod(target, 0o444)


def _remove(client: Any, container: str) -> None:
    try:
        client.remove_container(container, force=True, v=True)
    except Exception as error:
        if not engines.is_absent(error):
            with engine_errors():
                raise
