# SPDX-License-Identifier: Apache-2.0
"""What may be in an object: structural schemas, CEL rules, formats, names, and the rules of Pods."""
