# SPDX-License-Identifier: Apache-2.0
"""`python -m verifier.cli`"""

from verifier.cli import main

main()
