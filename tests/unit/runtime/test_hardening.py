# SPDX-License-Identifier: Apache-2.0
"""The list of system calls: what holes were found in is not on it, and nothing is let through by default."""

import json

import pytest

from swarm.runtime import hardening

PROFILE = json.loads(hardening.PROFILE.read_text())
_NAMES = """
mount umount2 pivot_root chroot open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr unshare setns clone3
ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_open pidfd_getfd keyctl add_key request_key bpf
perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register init_module finit_module delete_module
kexec_load kexec_file_load reboot swapon swapoff syslog acct settimeofday clock_settime clock_adjtime adjtimex
sethostname setdomainname iopl ioperm modify_ldt personality quotactl name_to_handle_at open_by_handle_at
fanotify_init setuid setgid setgroups setresuid setresgid chown fchown lchown fchownat capset seccomp shmget msgget
semget mq_open vmsplice splice tee mbind set_mempolicy move_pages landlock_create_ruleset
"""
NEVER = _NAMES.split()


def allowed() -> dict[str, list]:
    """Name → the argument filters under which it is allowed; none of them means always."""
    return {
        name: rule.get("args", [])
        for rule in PROFILE["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW"
        for name in rule["names"]
    }


@pytest.mark.parametrize("name", NEVER)
def test_does_not_let_through(name):
    assert name not in allowed()


def test_refuses_by_default_and_other_numberings_of_calls():
    """Through the 32-bit table every call would have another number."""
    assert PROFILE["defaultAction"] == "SCMP_ACT_ERRNO"
    assert PROFILE["architectures"] == ["SCMP_ARCH_X86_64"]


def test_calls_with_two_faces_are_let_through_with_their_harmless_one_only():
    filters = {name: args for name, args in allowed().items() if args}
    assert set(filters) == {"clone", "socket", "socketpair", "ioctl", "mknod", "mknodat"}
    assert filters["clone"][0]["value"] == 0x7E020000  # every CLONE_NEW… flag
    assert filters["socket"][0] == {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}  # AF_UNIX


def test_each_call_is_named_once():
    names = [name for rule in PROFILE["syscalls"] for name in rule["names"]]
    assert len(names) == len(set(names)) < 220


def test_takes_a_second_kernel_where_the_engine_offers_one():
    assert hardening.runtime_of({"runc": {}, "runsc": {}, "kata": {}}) == "runsc"
    assert hardening.runtime_of({"runc": {}, "kata-runtime": {}}) == "kata-runtime"
    assert hardening.runtime_of({"runc": {}, "io.containerd.runc.v2": {}}) is None


def test_the_profile_is_for_one_processor_architecture(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert any(option.startswith("seccomp={") for option in hardening.security_options())
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert hardening.security_options() == ["no-new-privileges"]
