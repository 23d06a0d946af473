# SPDX-License-Identifier: Apache-2.0
"""Files of others, as they were published. README.md says which."""
