# SPDX-License-Identifier: Apache-2.0
"""Programs that run inside the container: lora (train), evaluate (score), convert (make the base model),
use (an adapter on its buyer's machine).

Only they import torch, transformers and peft. They read $SWARM_INPUTS, write $SWARM_OUTPUTS and print JSON lines.
"""
