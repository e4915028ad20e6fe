# SPDX-License-Identifier: Apache-2.0
"""What a job means: fields (what all specs share), spec (what a person writes and what travels), workload (the port of
a job type) and registry (which types there are), verification (how segments are checked), exact (comparator), dataset
and example (data, line by line), survey (a whole file, for a person), model_folder and tensors (a model, unloaded),
overrides and schema (specs on the way in and as published), result (what a seller publishes); a package for each type.
"""
