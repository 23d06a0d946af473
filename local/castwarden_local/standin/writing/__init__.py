# SPDX-License-Identifier: Apache-2.0
"""What a write does: admission, the parts it may touch, deletion, and the garbage that goes after it."""
