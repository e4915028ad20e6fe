# SPDX-License-Identifier: Apache-2.0
"""The detection table's rows, a module for each workload: `rows(quick)` returns them. See benchmarks/detection.py."""
