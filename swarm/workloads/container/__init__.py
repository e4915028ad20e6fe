# SPDX-License-Identifier: Apache-2.0
"""Any program in a container: spec, and workload (what its only segment is, how two runs of it are compared)."""
