# SPDX-License-Identifier: Apache-2.0
"""LoRA fine-tunes: spec, segments (order and rates, pure), initial (the first state), distance (between two states),
adapter (what the buyer receives)."""
