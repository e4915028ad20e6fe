# SPDX-License-Identifier: Apache-2.0
"""A sweep's controller on the buyer's machine: a pure plan and the loop around it.

ledger (runs, tasks, postings, what they cost) · proposals (Optuna) · plan (what to do next) · book (the journal) ·
results (committed metrics) · posting (tasks → jobs) · prepare (the template's inputs) · controller (the loop) ·
table, report (what a person reads).
"""
