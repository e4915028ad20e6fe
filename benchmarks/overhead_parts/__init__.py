# SPDX-License-Identifier: Apache-2.0
"""Parts of overhead.py that run in processes of their own."""
