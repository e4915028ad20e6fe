# SPDX-License-Identifier: Apache-2.0
"""Sandboxes: port (what a runner promises), docker (containers), process (this user's processes), choose (which one).

supervise is the loop around a running job, lines its output, outputs the files it left, environment what it is told;
engine is the one place that imports the Docker SDK, images builds job images; processes and launcher hold a process
sandbox together; fake is for unit tests.
"""
