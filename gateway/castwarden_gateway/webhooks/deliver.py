# SPDX-License-Identifier: Apache-2.0
"""One claimed delivery from its body over the signature to the verdict."""

import time

from castwarden_gateway.outbound.client import Client
from castwarden_gateway.webhooks import payloads, sign
from castwarden_gateway.webhooks.claim import Claim
from castwarden_gateway.webhooks.payloads import StoredEvent
from castwarden_gateway.webhooks.schedule import Verdict, decide
from castwarden_gateway.webhooks.secrets import UnreadableSecret
from castwarden_gateway.webhooks.send import Answer, post
from castwarden_gateway.webhooks.signing import Signer


async def attempt(client: Client, signer: Signer, claim: Claim) -> tuple[Answer, Verdict]:
    """Makes one attempt. What cannot be sent for a reason of ours is a failed attempt as well."""
    if claim.event is None:
        return Answer(ms=0, error="event_gone"), Verdict("dead")
    try:
        body, headers = signed(claim, claim.event, signer)
        tls = signer.tls(claim)
    except UnreadableSecret as error:
        answer = Answer(ms=0, error="secret_unreadable", detail=str(error))
    else:
        answer = await post(client, claim.url, body, headers, claim.timeout_seconds, tls)
    return answer, decide(
        claim.retry, claim.attempt + 1, answer.status, answer.retry_after, custom=claim.retry_waits or ()
    )


def signed(claim: Claim, event: StoredEvent, signer: Signer) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an attempt that begins now. Raises UnreadableSecret."""
    body = payloads.body(claim.payload, event)
    message = sign.Message(claim.event_id, claim.id, event.type, body)
    secret, older = signer.secret_of(claim), signer.older(claim) if claim.old_secrets else ()
    return body, {
        **signer.extra_headers(claim),
        "Content-Type": payloads.CONTENT_TYPES.get(claim.payload, "application/json"),
        "Accept-Encoding": "identity",
        **sign.headers(claim.profile, secret, message, int(time.time()), older),
    }


def receiver_is_well(answer: Answer) -> bool | None:
    """What the answer says about the receiver as a whole: a refusal of one message is still a sign of life.

    A redirect is not: whoever answers with one sends every message elsewhere.
    """
    if answer.status is not None:
        return answer.status < 300 or 400 <= answer.status < 500
    return None if answer.error in ("event_gone", "secret_unreadable", "internal") else False
