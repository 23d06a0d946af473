# SPDX-License-Identifier: Apache-2.0
"""Turns resources into Pods, CronJobs and Jobs, and nothing else."""
