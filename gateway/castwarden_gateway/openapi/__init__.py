# SPDX-License-Identifier: Apache-2.0
"""The API's own description: an OpenAPI 3.1 document made from the route table, and the page that shows it."""
