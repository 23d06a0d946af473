# SPDX-License-Identifier: Apache-2.0
"""Reads Kubernetes' binary encoding, which `kubectl create configmap` and its like send whatever a server offers.

`protobuf.json` says for each message which number is which field: `name:type`, `[]` for lists, `{}` for maps by text,
`?` where the field may be absent (anything else is left out of the JSON when it is zero). The numbers are those of
the Kubernetes 1.35 API. Nothing is ever written in this encoding.
"""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from castwarden_local.standin.interface import Object

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_MESSAGES: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("protobuf.json").read_text("utf-8"))
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decode_binary(body: bytes, message: str) -> Object:
    """The object in an envelope. Raises ValueError for anything malformed or unknown."""
    if not body.startswith(_MAGIC):
        raise ValueError("the body lacks the prefix of the binary encoding")
    envelope = dict(_fields(body[len(_MAGIC) :]))
    about = dict(_fields(_as_bytes(envelope.get(1, b""))))
    if message not in _MESSAGES:
        raise ValueError(f"{message} is not taken in the binary encoding")
    obj: Object = {}
    for number, name in ((1, "apiVersion"), (2, "kind")):
        if about.get(number):
            obj[name] = _as_bytes(about[number]).decode()
    return obj | _message(_as_bytes(envelope.get(2, b"")), message)


def _message(raw: bytes, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    known = _MESSAGES[name]
    for number, value in _fields(raw):
        described = known.get(str(number))
        if described is None:
            continue
        field, _, kind = described.partition(":")
        optional = kind.endswith("?")
        _add(found, field, kind.removesuffix("?"), value, optional)
    return found


def _add(found: dict[str, Any], field: str, kind: str, value: "int | bytes", optional: bool) -> None:
    if kind.startswith("[]"):
        found.setdefault(field, []).append(_value(value, kind[2:]))
    elif kind.startswith("{}"):
        entry = dict(_fields(_as_bytes(value)))
        key = _as_bytes(entry.get(1, b"")).decode()
        found.setdefault(field, {})[key] = _value(entry.get(2, b""), kind[2:])
    else:
        decoded = _value(value, kind)
        if not field:  # a Go struct without a name of its own: its members belong to the object around it
            found |= decoded
        elif optional or decoded not in (None, "", 0, {}, []):
            found[field] = decoded


def _value(value: "int | bytes", kind: str) -> Any:
    if kind == "int":
        number = _as_int(value)
        return number - (1 << 64) if number >= 1 << 63 else number
    if kind == "bool":
        return bool(_as_int(value))
    raw = _as_bytes(value)
    if kind == "string":
        return raw.decode()
    if kind == "bytes":
        return base64.b64encode(raw).decode()
    if kind in _MESSAGES:
        return _message(raw, kind)
    return _special(dict(_fields(raw)), kind)


def _special(parts: "dict[int, int | bytes]", kind: str) -> Any:
    """Messages whose JSON is no object."""
    if kind == "quantity":
        return _as_bytes(parts.get(1, b"")).decode()
    if kind == "intorstring":
        return _as_bytes(parts.get(3, b"")).decode() if parts.get(1) else _value(parts.get(2, 0), "int")
    if kind == "fields":
        return orjson.loads(_as_bytes(parts.get(1, b"{}")))
    if kind in ("time", "microtime"):
        if not parts:
            return None
        seconds, nanoseconds = _value(parts.get(1, 0), "int"), _as_int(parts.get(2, 0))
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if kind == "microtime" else "%Y-%m-%dT%H:%M:%SZ")
    raise ValueError(f"unknown type {kind}")


def _fields(raw: bytes) -> "Iterator[tuple[int, int | bytes]]":
    """Numbers and values of one message. Raises ValueError when it is cut off."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        number, shape = tag >> 3, tag & 7
        value: int | bytes
        if shape == _VARINT:
            value, at = _varint(raw, at)
        elif shape == _BYTES:
            size, at = _varint(raw, at)
            value, at = raw[at : at + size], at + size
        elif shape in (_FIXED64, _FIXED32):
            size = 8 if shape == _FIXED64 else 4
            value, at = raw[at : at + size], at + size
        else:
            raise ValueError("unknown wire type")
        if at > len(raw):
            raise ValueError("a message is cut off")
        yield number, value


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(raw[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & (1 << 64) - 1, at + index + 1
    raise ValueError("a number is cut off")


def _as_bytes(value: "int | bytes") -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands where a text was expected")  # noqa: TRY004 - bad input, not a bug
    return value


def _as_int(value: "int | bytes") -> int:
    if isinstance(value, bytes):
        raise ValueError("a text stands where a number was expected")  # noqa: TRY004 - bad input, not a bug
    return value
