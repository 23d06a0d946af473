# SPDX-License-Identifier: Apache-2.0
"""What the operator costs and how soon it acts, with thousands of Monitors on a real control plane."""
