# SPDX-License-Identifier: Apache-2.0
"""ComputeSwarm: protocol (pure), chain, storage, runtime, workloads, jobs, and the roles buyer and seller.

The judge lives beside this package, in `verifier`. Layers, top to bottom:
cli → buyer | seller → workloads | chain | storage | runtime → protocol → errors | clock | log.
"""

__version__ = "0.1.0"
