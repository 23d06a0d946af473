# SPDX-License-Identifier: Apache-2.0
"""What an answer is when it is not JSON, and examples of those that are."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from pydantic import ConfigDict, with_config

C = TypeVar("C", bound=type)


class Media:
    """What a route returns that is not JSON; subclasses name its type, and may show some of it."""

    media_type: ClassVar[str]
    example: ClassVar[str] = ""


class Html(Media):
    media_type = "text/html"


class Script(Media):
    media_type = "text/javascript"


class Metrics(Media):
    media_type = "text/plain"
    example = 'castwarden_gateway_requests_total{listener="public",method="GET",status="200"} 1024.0'


def media_type(answer: Any) -> str | None:
    """Of an answer of `Route.returns` that is not JSON; None for the others."""
    if answer is bytes:
        return "image/jpeg"
    return answer.media_type if isinstance(answer, type) and issubclass(answer, Media) else None


def example(**fields: Any) -> Callable[[C], C]:
    """Gives a TypedDict or a dataclass the example that documents every answer which holds it."""
    return with_config(ConfigDict(json_schema_extra={"examples": [fields]}))
