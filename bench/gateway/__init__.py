# SPDX-License-Identifier: Apache-2.0
"""What the gateway costs and how soon it delivers, beside bare aiohttp in the same run. See `__main__.py`."""
