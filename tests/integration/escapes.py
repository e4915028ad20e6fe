# SPDX-License-Identifier: Apache-2.0
"""Attempts to escape, as one program for a container: each in a process of its own, its result as a JSON line.

It runs inside, with Python alone; so it imports nothing of ours. An attempt returns None when it got nothing, else what
it got. `raw` system calls are tried by number, because the C library may not have them.
"""

import ctypes
import errno
import json
import os
import socket
import sys

OUTPUTS, INPUTS = os.environ.get("SWARM_OUTPUTS", "/outputs"), os.environ.get("SWARM_INPUTS", "/inputs")
ARGUMENTS = {}
ATTEMPTS = {}
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x00020000


def attempt(function):
    ATTEMPTS[function.__name__] = function
    return function


def raw(number, *arguments):
    """None when the kernel refuses with EPERM or ENOSYS: only the filter does so before it looks at the arguments."""
    LIBC.syscall.restype = ctypes.c_long
    result = LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(each) for each in arguments))
    code = ctypes.get_errno()
    if result == -1 and code in (errno.EPERM, errno.ENOSYS):
        return None
    return f"call {number} gave {result}, {errno.errorcode.get(code, code)}"


def reaches(family, kind, address):
    try:
        with socket.socket(family, kind) as plug:
            plug.settimeout(1)
            plug.connect(address)
            plug.send(b"x")
    except OSError:
        return None
    return f"reached {address}"


def opens(path, flags):
    try:
        os.close(os.open(path, flags))
    except OSError:
        return None
    return f"opened {path}"


def content(path, size=-1):
    with open(path, "rb") as file:
        return file.read(size)


def first(results):
    return next((result for result in results if result), None)


# network


@attempt
def network():
    host, port = ARGUMENTS["host"], ARGUMENTS["port"]
    found = [
        reaches(socket.AF_INET, socket.SOCK_STREAM, (address, port)) for address in (host, "172.17.0.1", "127.0.0.1")
    ]
    found += [reaches(socket.AF_INET6, socket.SOCK_DGRAM, ("2001:db8::1", 53))]
    for family in (socket.AF_INET, socket.AF_NETLINK, socket.AF_PACKET, socket.AF_ALG, socket.AF_VSOCK):
        try:
            socket.socket(family, socket.SOCK_RAW if family != socket.AF_ALG else socket.SOCK_SEQPACKET).close()
            found.append(f"a socket of {family!r}")
        except OSError:
            continue
    return first(found)


@attempt
def metadata_address():
    targets = [(socket.AF_INET, ("169.254.169.254", 80)), (socket.AF_INET6, ("fd00:ec2::254", 80))]
    return first(reaches(family, socket.SOCK_STREAM, address) for family, address in targets)


# files


@attempt
def host_files():
    paths = [
        ARGUMENTS["secret"],
        "/proc/1/root" + ARGUMENTS["secret"],
        "/host",
        "/mnt/host",
        "/root/.ssh",
        "/var/lib/docker",
    ]
    for path in paths:
        if os.path.lexists(path):
            return path
    mounted = [line.split()[1] for line in content("/proc/self/mounts").decode().splitlines()]
    own = ("/outputs", "/tmp", "/dev/shm", "/dev/mqueue", "/proc")
    places = [place for place in mounted if place not in own]
    return first(opens(f"{place}/x", os.O_CREAT | os.O_WRONLY) for place in places)


@attempt
def docker_socket():
    names = ("docker.sock", "containerd/containerd.sock", "crio/crio.sock", "podman/podman.sock")
    return first(os.path.exists(f"{run}/{name}") and name for run in ("/run", "/var/run") for name in names)


@attempt
def devices():
    allowed = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"}
    paths = [os.path.join(folder, name) for folder, _, names in os.walk("/dev") for name in names]
    odd = [
        path
        for path in paths
        if os.path.basename(path) not in allowed and not os.path.islink(path) and "/shm/" not in path
    ]
    found = [path for path in odd if opens(path, os.O_RDONLY)]
    found += [
        opens(path, os.O_RDONLY) for path in ("/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/sda", "/dev/vda", "/dev/fuse")
    ]
    for place in ("/outputs/device", "/tmp/device", "/dev/device"):
        for kind in (0o060666, 0o020666):  # a block and a character device
            try:
                os.mknod(place, kind, os.makedev(254, 0))
                found.append(place)
            except OSError:
                continue
    return first(found)


@attempt
def writing_inputs():
    inside = os.path.join(INPUTS, "file")
    found = [opens(inside, os.O_RDWR), opens(os.path.join(INPUTS, "folder", "new"), os.O_CREAT | os.O_WRONLY)]
    with open(inside) as file:
        found.append(opens(f"/proc/self/fd/{file.fileno()}", os.O_RDWR))  # opened anew with other rights
    for deed in (
        lambda: os.chmod(inside, 0o777),
        lambda: os.utime(inside),
        lambda: os.rename(inside, inside + "2"),
        lambda: os.unlink(inside),
        lambda: os.link(inside, "/outputs/linked"),
        lambda: os.truncate(inside, 0),
        lambda: os.setxattr(inside, "user.x", b"x"),
    ):
        try:
            deed()
            found.append("changed an input")
        except OSError:
            continue
    return first(found)


@attempt
def another_jobs_data():
    """The neighbour holds a marker in its memory, its command line, its files and its shared memory."""
    marker = ARGUMENTS["marker"].encode()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (os.getpid(), os.getppid(), 1):
            for part in ("cmdline", "environ"):
                try:
                    if marker in content(f"/proc/{name}/{part}"):
                        return f"{part} of {name}"
                except OSError:
                    continue
    for place in ("/tmp", "/dev/shm", "/dev/mqueue", "/var/tmp", "/inputs", "/outputs"):
        for folder, _, names in os.walk(place):
            if any(marker.decode() in name for name in names):
                return folder
    return first(raw(number, 0, 0, 0) for number in (29, 64, 68, 240))  # SysV and POSIX queues and memory


# privilege


@attempt
def setuid():
    for call in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.chown("/tmp", 0, 0)):
        try:
            call()
            return "became somebody else"
        except OSError:
            continue
    for program in ("/usr/bin/su", "/bin/su", "/usr/bin/passwd", "/usr/bin/mount", "/usr/bin/newgrp"):
        if os.path.exists(program) and os.stat(program).st_mode & 0o4000:
            child = os.fork()
            if child == 0:
                quiet = os.open("/dev/null", os.O_RDWR)
                for number in (0, 1, 2):
                    os.dup2(quiet, number)
                os.execv(program, [program, "-c", "id -u > /outputs/became"])
            os.waitpid(child, 0)
    if os.path.exists("/outputs/became") and content("/outputs/became").strip() == b"0":
        return "root through a setuid program"
    status = dict(line.split(":\t", 1) for line in content("/proc/self/status").decode().splitlines() if ":\t" in line)
    capable = [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status[name], 16)]
    return first(
        [capable and str(capable), status["NoNewPrivs"] != "1" and "NoNewPrivs", status["Seccomp"] != "2" and "Seccomp"]
    )


# the kernel


@attempt
def proc_and_sys():
    writable = (
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/hostname",
        "/proc/sysrq-trigger",
        "/proc/irq/0/smp_affinity",
    )
    writable += (
        "/sys/kernel/uevent_helper",
        "/sys/fs/cgroup/release_agent",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    )
    readable = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware/acpi", "/sys/kernel/security/profiles")
    found = [opens(path, os.O_WRONLY) for path in writable]
    for path in readable:
        try:
            there = os.listdir(path) if os.path.isdir(path) else content(path, 64)
            found.append(there and f"read {path}")
        except OSError:
            continue
    symbols = content("/proc/kallsyms", 16) if os.path.exists("/proc/kallsyms") else b"0"
    return first([*found, int(symbols, 16) and "kernel addresses"])


@attempt
def mounts():
    calls = (
        (165, 0, 0, 0, 0, 0),
        (166, 0, 2),
        (155, 0, 0),
        (161, 0),
        (428, 0, 0, 0),
        (429, 0, 0, 0, 0, 0),
        (430, 0, 0),
    )
    return first(raw(*call) for call in (*calls, (442, 0, 0, 0, 0, 0)))


@attempt
def namespaces():
    flags = (CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWUSER | CLONE_NEWNS)
    found = [raw(272, flag) for flag in flags] + [raw(56, flag | 17, 0, 0, 0, 0) for flag in flags]
    return first([*found, raw(308, 0, 0), raw(435, 0, 0)])  # setns, clone3


@attempt
def keyctl():
    return first(raw(number, 0, 0, 0, 0, 0) for number in (250, 248, 249))


@attempt
def bpf():
    return first(raw(number, 0, 0, 0, 0, 0) for number in (321, 298))  # and perf_event_open


@attempt
def ptrace():
    return first(raw(number, 0, 0, 0, 0, 0, 0) for number in (101, 310, 311, 312, 434, 438))  # other processes' memory


@attempt
def modules_and_machine():
    calls = (175, 313, 176, 246, 320, 169, 167, 168, 163, 103, 172, 173, 170, 171, 227, 164, 159, 305)
    return first(raw(number, 0, 0, 0, 0) for number in calls)


@attempt
def odd_interfaces():
    """What holes were found in again and again: io_uring, userfaultfd, file handles, personality, fanotify, splice."""
    calls = (425, 426, 427, 323, 303, 304, 135, 300, 154, 275, 276, 278, 279, 256, 179, 212)
    return first(raw(number, 0, 0, 0, 0, 0) for number in calls)


def main():
    ARGUMENTS.update(json.loads(sys.argv[1]))
    for name, function in ATTEMPTS.items():
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            try:
                result = function()
            except BaseException as error:
                result = f"the attempt failed: {error!r}"
            os.write(writer, json.dumps(result).encode())
            os._exit(0)
        os.close(writer)
        with open(reader, "rb") as answer:
            said = answer.read()
        os.waitpid(child, 0)
        print(
            json.dumps({"event": "attempt", "name": name, "got": json.loads(said) if said else "it was killed"}),
            flush=True,
        )


if __name__ == "__main__":
    main()
