# SPDX-License-Identifier: Apache-2.0
"""One machine with nothing installed: a stand-in for a cluster, `castwarden up` and the demo."""
