# SPDX-License-Identifier: Apache-2.0
"""schemathesis over the whole description: whatever is sent, no 5xx, and no answer but those that are described."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from castwarden_gateway.app import Gateway

from tests.integration.gateway.conftest import KEY

LONG = int(os.environ.get("CASTWARDEN_API_FUZZ_SECONDS", "0"))  # `make api-fuzz` sets it
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ignored_auth",
)
SHORT = ("--max-examples", "3", "--seed", "1", "--generation-deterministic")
SETTINGS = """
[[operations]]  # would revoke the key that asks
include-operation-id = "revoke_key"
phases.stateful.enabled = false
"""


@pytest.mark.timeout(LONG + 300)
async def test_whatever_is_sent_is_answered_as_described(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    url = f"http://127.0.0.1:{gateway.public_port}"
    command = [str(Path(sys.executable).with_name("st")), "run", f"{url}/openapi.json", "--url", url]
    command += ["--header", f"Authorization: Bearer {KEY}", "--header", "X-Tenant-Id: public"]
    command += ["--checks", ",".join(CHECKS), "--exclude-operation-id-regex", "^stream_", "--continue-on-failure"]
    command += ["--no-color", *(("--max-time", str(LONG)) if LONG else SHORT)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
