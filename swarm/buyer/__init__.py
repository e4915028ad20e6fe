# SPDX-License-Identifier: Apache-2.0
"""The buyer: prepare (a spec into content), offer (price and terms), pull (verify and unpack a result)."""
