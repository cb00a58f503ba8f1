"""Where tokens come from: an Attestation Service (passport) or a KBS (background check)."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass

from guest.aa.as_client import ASClient
from guest.aa.attestable import Attestable
from guest.errors import MissingNonceError
from guest.kbs.client import KBSClient
from guest.kbs.handshake import Handshake
from guest.kbs.tee_keys import TEEKeyPair
from guest.wire.appraisals import AttestationEvaluation, VerificationRequest
from guest.wire.encoding import b64_encode
from guest.wire.runtime_data import hash_algorithm_of, runtime_data

_NONCE_BYTES = 32

_log = logging.getLogger(__name__)


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
        return self.client.attest(handshake, subject.compose), key_pair


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
        evaluation = self._evaluation(nonce, key_pair.public.as_json())
        return self.client.attest(evaluation), key_pair

    def _evaluation(self, nonce: str, tee_pubkey: dict[str, str]) -> AttestationEvaluation:
        """The TEE's evidence first, then each device's."""
        subject = self.attestable
        tee = subject.attester.tee
        algorithm = hash_algorithm_of(tee)
        made = subject.compose(nonce, tee_pubkey, algorithm)
        primary = VerificationRequest(
            tee=tee,
            evidence=made.primary_evidence,
            runtime_data=runtime_data(nonce, tee_pubkey, made.additional_evidence),
            hash_algorithm=algorithm,
            init_data_toml=subject.init_data,
        )
        bound = runtime_data(nonce, tee_pubkey, additional_evidence=None)
        devices = [
            VerificationRequest(device, evidence, bound, hash_algorithm=algorithm)
            for device, evidence in made.devices().items()
        ]
        return AttestationEvaluation((primary, *devices))

    def _own_nonce(self) -> str:
        if not self.insecure_no_nonce:
            raise MissingNonceError(
                "the Attestation Service issued no nonce; insecure_no_nonce = true goes on without"
            )
        _log.warning("INSECURE: this Attestation Service issues no nonces; nothing shows freshness")
        return b64_encode(secrets.token_bytes(_NONCE_BYTES))
