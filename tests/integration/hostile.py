# SPDX-License-Identifier: Apache-2.0
"""Hostile programs for the sandboxes, as Python source. One that gets what it should not exits with 66."""

from __future__ import annotations

ESCAPED = 66

RUN_FOR_EVER = "while True: pass"

IGNORE_SIGTERM = """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print('{"event": "ready"}', flush=True)
while True: time.sleep(1)
"""

FORK_FOR_EVER = """
import os
while True:
    try: os.fork()
    except OSError: pass
"""

LEAVE_A_DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True: time.sleep(1)
    os._exit(0)
os.wait()
"""

FILL_THE_DISK = """
import os
for number in range(10**6):
    with open(os.environ["SWARM_OUTPUTS"] + f"/{number}", "wb") as file: file.write(b"x" * (1 << 20))
"""

GROW_ONE_FILE = """
import os
with open(os.environ["SWARM_OUTPUTS"] + "/big", "wb") as file:
    while True: file.write(b"x" * (1 << 20))
"""

MAKE_A_MILLION_FILES = """
import os
for number in range(10**6): open(os.environ["SWARM_OUTPUTS"] + f"/{number}", "w").close()
"""

NEST_DIRECTORIES = """
import os
os.chdir(os.environ["SWARM_OUTPUTS"])
while True:
    os.mkdir("d")
    os.chdir("d")
"""

LOCK_A_DIRECTORY = """
import os, time
os.mkdir(os.environ["SWARM_OUTPUTS"] + "/locked", 0)
"""

FILL_MEMORY = """
held = []
while True: held.append(b"x" * (8 << 20))
"""

PRINT_100_MB = """
import sys
for _ in range(100 << 10): sys.stdout.write("x" * 1023 + "\\n")
"""

OPEN_A_SOCKET = f"""
import socket, sys
def connect():
    socket.create_connection(("192.0.2.1" if len(sys.argv) < 2 else sys.argv[1], int(sys.argv[2])), timeout=3)
def resolve():
    socket.getaddrinfo("localhost.localdomain.example.org", 80)
def send():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9))
for attempt in (connect, resolve, send):
    try: attempt()
    except OSError: continue
    print(attempt.__name__); sys.exit({ESCAPED})
"""

READ_HOST_FILES = f"""
import os, sys
for path in sys.argv[1:]:
    try: os.stat(path)
    except OSError: continue
    print(path); sys.exit({ESCAPED})
"""

WRITE_OUTSIDE = f"""
import os, sys
inputs = os.environ["SWARM_INPUTS"]
for path in ("/x", "/etc/x", "/usr/x", "/dev/x", "/inputs/x", "/home/x", "/var/x", "/sys/x", "/proc/x", "/root/x",
             "/var/tmp/x", "/run/lock/x",
             inputs + "/file", inputs + "/folder/x", sys.prefix + "/x", os.path.dirname(os.__file__) + "/x"):
    try: open(path, "w").close()
    except OSError: continue
    print(path); sys.exit({ESCAPED})
"""

GAIN_PRIVILEGE = f"""
import os, sys, ctypes
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
facts = {{name: status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs")}}
if os.getuid() == 0 or int(facts["CapEff"], 16) or int(facts["CapPrm"], 16) or facts["NoNewPrivs"] != "1":
    print(facts); sys.exit({ESCAPED})
if ctypes.CDLL(None).mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0:
    print("mounted"); sys.exit({ESCAPED})
"""

SEE_THE_ENVIRONMENT = f"""
import os, sys
if "SWARM_TEST_SECRET" in os.environ or "SWARM_TEST_SECRET" in open("/proc/1/environ", errors="replace").read():
    sys.exit({ESCAPED})
"""

FILL_TEMPORARY_FILES = f"""
import os, sys
for folder in ("/tmp", "/dev/shm"):
    written = 0
    try:
        with open(folder + "/x", "wb") as file:
            while written < 1 << 28: written += file.write(b"x" * (1 << 20))
    except OSError: continue
    print(folder); sys.exit({ESCAPED})
"""


def leave(statement: str) -> str:
    """A program that leaves something odd in its outputs and ends well."""
    return f"import os, socket, stat\nos.chdir(os.environ['SWARM_OUTPUTS'])\n{statement}\n"


ODD_OUTPUTS = {
    "a symbolic link": leave("os.symlink('/etc/passwd', 'weights.safetensors')"),
    "a hard link": leave("open('a', 'w').close(); os.link('a', 'b')"),
    "a pipe": leave("os.mkfifo('pipe')"),
    "a socket": leave("socket.socket(socket.AF_UNIX).bind('socket')"),
    "setuid": leave("open('a', 'w').close(); os.chmod('a', 0o4755)"),
    "odd name": leave("open('a\\x1b[2J', 'w').close()"),
}
