# SPDX-License-Identifier: Apache-2.0
"""An HTTP/1.1 client for deliveries: POST, a bounded answer, no redirects, the guard at every socket."""
