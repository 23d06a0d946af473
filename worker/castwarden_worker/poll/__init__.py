# SPDX-License-Identifier: Apache-2.0
"""Role poll: one conditional look at a channel's feed."""
