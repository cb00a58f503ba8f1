"""Attests a machine of the lab to an Attestation Service, and tells what came of it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from app.lab.acceptance import request_for
from app.lab.faults import Fault
from app.lab.vendor import Lab
from app.trust.http_client import HTTPClient, HTTPReply
from app.trust.json_types import JSONObject
from guest.wire.appraisals import AttestationEvaluation
from guest.wire.encoding import b64url_decode
from guest.wire.strict_json import parse_json_object

_OK = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service made of the evidence.

    Attributes:
        status: of the HTTP response.
        told: claims of the token, or the problem.
    """

    status: int
    told: JSONObject


def attest(lab: Lab, client: HTTPClient, url: str, tee: str, fault: Fault) -> Answer:
    """Get a challenge, make evidence, have it appraised; with ``replay``, twice.

    Raises:
        OutsideError: the service did not answer.
    """
    asked = json.dumps({"tee": tee, "tee_params": ""}).encode()
    reply = client.post_json(f"{url}/challenge", asked)
    if reply.status != _OK:
        return _answer(reply)
    challenge = str(parse_json_object(reply.body)["nonce"])
    request = request_for(lab, tee, challenge, fault)
    text = json.dumps(AttestationEvaluation((request,), ("default",)).as_json()).encode()
    if fault is Fault.REPLAY:
        client.post_json(f"{url}/attestation", text)
    return _answer(client.post_json(f"{url}/attestation", text))


def _answer(reply: HTTPReply) -> Answer:
    if reply.status != _OK:
        return Answer(reply.status, parse_json_object(reply.body))
    payload = reply.body.split(b".")[1].decode("ascii")
    return Answer(reply.status, parse_json_object(b64url_decode(payload)))
