# SPDX-License-Identifier: Apache-2.0
"""The API over HTTP: requests taken apart, verbs, watches and logs, discovery, and answers in every shape."""
