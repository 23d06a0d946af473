# SPDX-License-Identifier: Apache-2.0
"""What every process needs: settings, logs, metrics and health, outbound HTTP with its guard."""
