# SPDX-License-Identifier: Apache-2.0
"""Jobs and CronJobs as kube-controller-manager runs them. Rules are pure functions; `manager.py` carries them out."""
