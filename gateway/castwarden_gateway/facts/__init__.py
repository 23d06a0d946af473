# SPDX-License-Identifier: Apache-2.0
"""What workers saw: reports folded into state, conditions, events, videos and downloads, in one transaction."""
