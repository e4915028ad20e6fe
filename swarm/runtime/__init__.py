# SPDX-License-Identifier: Apache-2.0
"""Sandboxes: port (what a runner promises), docker (containers), process (this user's processes), choose (which one).

All: supervise (the loop around a job), lines (what it prints), outputs (what it leaves), environment (what it is
told). Containers: engine (the one place that imports the Docker SDK), hardening (system calls, a second kernel),
images and base_image (what jobs run in). Processes: bubblewrap (walls), launcher (holds a job together), processes
(/proc), orphans (found after a crash). gpus (what the driver shows); fake is for unit tests.
"""
