"""Where tokens come from: an Attestation Service (passport) or a KBS (background check)."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass

from guest.aa.as_client import ASClient
from guest.attester import Attester, Devices
from guest.errors import MissingNonceError
from guest.kbs.client import KBSClient
from guest.kbs.handshake import Handshake
from guest.kbs.tee_keys import TEEKeyPair
from guest.wire.appraisals import AttestationEvaluation, VerificationRequest
from guest.wire.encoding import b64_encode
from guest.wire.json_types import JSONObject, JSONValue
from guest.wire.runtime_data import hash_algorithm_of, runtime_data, runtime_data_digest

_NONCE_BYTES = 32

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attestable:
    """What this guest attests with.

    Attributes:
        attester: of its TEE.
        devices: the way to the hardware.
        init_data: the exact text of the init-data document, if it has one.
    """

    attester: Attester
    devices: Devices
    init_data: str | None = None

    def collect(self, report_data: bytes) -> JSONValue:
        """Evidence over some bytes.

        Raises:
            AttesterError: no evidence could be made.
        """
        return self.attester.collect(report_data, self.devices)


@dataclass(frozen=True, slots=True)
class KBSTokenSource:
    """Tokens by the RCAR handshake."""

    client: KBSClient
    attestable: Attestable
    tee_key_algorithm: str

    def fetch(self) -> tuple[str, TEEKeyPair]:
        """Run one handshake with a fresh key pair.

        Raises:
            GuestError: any leaf but ``ConfigError``.
        """
        key_pair = TEEKeyPair.generate(self.tee_key_algorithm)
        subject = self.attestable
        handshake = Handshake(subject.attester.tee, key_pair, subject.init_data)
        return self.client.attest(handshake, subject.collect), key_pair


@dataclass(frozen=True, slots=True)
class ASTokenSource:
    """Tokens that an Attestation Service signs for whichever KBS trusts it.

    Attributes:
        insecure_no_nonce: go on when the AS issues no nonce, with one made here, which proves the
            binding of the key but no freshness.
    """

    client: ASClient
    attestable: Attestable
    tee_key_algorithm: str
    insecure_no_nonce: bool = False

    def fetch(self) -> tuple[str, TEEKeyPair]:
        """Challenge, evidence, token, with a fresh key pair.

        Raises:
            MissingNonceError: the AS issues no nonce, and settings do not allow that.
            GuestError: any other leaf but ``ConfigError``.
        """
        tee = self.attestable.attester.tee
        nonce = self.client.challenge(tee) or self._own_nonce()
        key_pair = TEEKeyPair.generate(self.tee_key_algorithm)
        # The primary evidence binds the text of the devices' evidence also where there is none.
        bound = runtime_data(nonce, key_pair.public.as_json(), additional_evidence="")
        request = self._request(tee, bound)
        return self.client.attest(AttestationEvaluation((request,))), key_pair

    def _request(self, tee: str, bound: JSONObject) -> VerificationRequest:
        algorithm = hash_algorithm_of(tee)
        return VerificationRequest(
            tee=tee,
            evidence=self.attestable.collect(runtime_data_digest(bound, algorithm)),
            runtime_data=bound,
            hash_algorithm=algorithm,
            init_data_toml=self.attestable.init_data,
        )

    def _own_nonce(self) -> str:
        if not self.insecure_no_nonce:
            raise MissingNonceError(
                "the Attestation Service issued no nonce; insecure_no_nonce = true goes on without"
            )
        _log.warning("INSECURE: this Attestation Service issues no nonces; nothing shows freshness")
        return b64_encode(secrets.token_bytes(_NONCE_BYTES))
