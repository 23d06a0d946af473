# SPDX-License-Identifier: Apache-2.0
"""Monitors over REST: the Stream Tracker's bodies on the outside, a Monitor resource behind them."""
