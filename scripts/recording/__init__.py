# SPDX-License-Identifier: Apache-2.0
"""What scripts/record-models.py is made of."""
