# SPDX-License-Identifier: Apache-2.0
"""The protocol's pure part, stdlib only: types, money (rates and fees), commitment, draw, parameters, lifecycle.

Every function here has a twin on chain; tests compare the two.
"""
