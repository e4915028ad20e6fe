# SPDX-License-Identifier: Apache-2.0
"""The commands: parse, call, show. main (lazy group) · common (options, context) · screen (output) · a file a noun."""
