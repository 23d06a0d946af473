# SPDX-License-Identifier: Apache-2.0
"""Who is who: the certificate authority and ServiceAccount tokens."""
