"""NVIDIA's Remote Attestation Service: it judges a device, and its keys are kept for a while."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from app.attestation.formats.device_evidence import UnverifiedDevice
from app.attestation.formats.nras_tokens import (
    Keys,
    NRASFormatError,
    UnverifiedNRASToken,
    parse_answer,
    parse_key_set,
)
from app.trust.errors import (
    BindingMismatchError,
    CollateralUnavailableError,
    MalformedEvidenceError,
)
from app.trust.http_client import HTTPClient, HTTPReply, OutsideError, PooledHTTPClient
from app.trust.json_types import JSONObject
from guest.wire.encoding import b64_encode

VERIFIER_URL = "https://nras.attestation.nvidia.com/v4/attest"
KEY_SET_URL = "https://nras.attestation.nvidia.com/.well-known/jwks.json"
OVERALL_RESULT = "x-nvidia-overall-att-result"

KEYS_SERVE_FOR = timedelta(hours=1)
# A token with an unknown key makes us ask for new ones; whoever provokes that does so this often.
KEYS_ASKED_EVERY = timedelta(minutes=1)
# Of each wait; a whole answer may take four times as long (``http_client.ANSWER_TIMEOUTS``).
_TIMEOUT_SECONDS = 15.0
_OK = 200
_EVIDENCE_REFUSED = frozenset({400, 422})


@dataclass(frozen=True, slots=True)
class NRASAddress:
    """Where the service is.

    Attributes:
        verifier_url: ``/gpu`` or ``/switch`` is added.
        key_set_url: of the keys that are believed.
    """

    verifier_url: str = VERIFIER_URL
    key_set_url: str = KEY_SET_URL


@dataclass(frozen=True, slots=True)
class _Held:
    keys: Keys = field(default_factory=dict)
    fetched_at: datetime | None = None


def open_client() -> HTTPClient:
    """A client for the service, with the authorities of the system."""
    return PooledHTTPClient(timeout_seconds=_TIMEOUT_SECONDS)


class NRAS:
    """The service; safe to share between threads."""

    def __init__(self, connect: Callable[[], HTTPClient] = open_client) -> None:
        """Take what makes the client, which is made when it is first needed."""
        self._connect = connect
        self._client: HTTPClient | None = None
        self._held: dict[str, _Held] = {}
        self._lock = Lock()

    def judge(
        self, device: UnverifiedDevice, nonce: bytes, address: NRASAddress, now: datetime
    ) -> JSONObject:
        """The service's claims about a device, with its judgement over all.

        Raises:
            MalformedEvidenceError: the service does not take the evidence.
            SignatureError: a token is not the service's.
            StaleCollateralError: a token is outside its time.
            BindingMismatchError: the device was asked with another nonce.
            CollateralUnavailableError: the service does not answer, or not as agreed.
        """
        kind = device.architecture.tee_class
        body = json.dumps(
            {
                "nonce": nonce.hex(),
                "arch": device.architecture.name,
                "evidence_list": [
                    {
                        "evidence": b64_encode(device.report),
                        "certificate": b64_encode(device.chain),
                    }
                ],
                "claims_version": "3.0",
            }
        ).encode("ascii")
        reply = self._ask(lambda client: client.post_json(f"{address.verifier_url}/{kind}", body))
        if reply.status in _EVIDENCE_REFUSED:
            raise MalformedEvidenceError("NVIDIA's service does not take the evidence of a device")
        try:
            overall, claims = self._verify(_body(reply), address, now)
        except NRASFormatError as error:
            raise CollateralUnavailableError(f"NVIDIA's service: {error}") from error
        _check_nonce(claims, kind, nonce)
        if OVERALL_RESULT not in overall:
            raise CollateralUnavailableError("NVIDIA's service gave no judgement over all")
        return claims | {OVERALL_RESULT: overall[OVERALL_RESULT]}

    def _verify(
        self, body: bytes, address: NRASAddress, now: datetime
    ) -> tuple[JSONObject, JSONObject]:
        overall, device = parse_answer(body)
        return (
            overall.verify(self._keys(overall, address, now), now),
            device.verify(self._keys(device, address, now), now),
        )

    def _keys(self, token: UnverifiedNRASToken, address: NRASAddress, now: datetime) -> Keys:
        """The key set: as it was fetched, or fetched anew when it is old or lacks the key."""
        url = address.key_set_url
        with self._lock:
            held = self._held.get(url, _Held())
            age = None if held.fetched_at is None else now - held.fetched_at
            serves = age is not None and timedelta(0) <= age < KEYS_SERVE_FOR
            if not serves or (
                token.key_id not in held.keys and age is not None and age >= KEYS_ASKED_EVERY
            ):
                reply = self._ask(lambda client: client.get(url))
                held = _Held(parse_key_set(_body(reply)), now)
                self._held[url] = held
            return held.keys

    def _ask(self, question: Callable[[HTTPClient], HTTPReply]) -> HTTPReply:
        if self._client is None:
            self._client = self._connect()
        try:
            return question(self._client)
        except OutsideError as error:
            raise CollateralUnavailableError("NVIDIA's service does not answer") from error


def _body(reply: HTTPReply) -> bytes:
    if reply.status != _OK:
        raise NRASFormatError(f"it answers {reply.status}")
    return reply.body


def _check_nonce(claims: JSONObject, kind: str, nonce: bytes) -> None:
    """The service found the nonce that we sent, and says so about this nonce."""
    named = claims.get("eat_nonce", nonce.hex())
    if claims.get(f"x-nvidia-{kind}-attestation-report-nonce-match") is not True or (
        not isinstance(named, str) or named.lower() != nonce.hex()
    ):
        raise BindingMismatchError("the device was asked with another nonce")
