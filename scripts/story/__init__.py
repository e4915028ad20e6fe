# SPDX-License-Identifier: Apache-2.0
"""The demo's story: stage (processes and people), narrator (the terminal), acts, books (who has what), lazy_seller."""
