# SPDX-License-Identifier: Apache-2.0
"""LoRA fine-tunes: spec, training and terms (what a person may write), resolve (into what travels), segments (order and
rates, pure), initial (the first state), distance (between two states), metrics (the validation loss), adapter (what the
buyer receives)."""
