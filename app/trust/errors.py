"""The errors of the domain: one tree, a stable reason code on every leaf.

The families decide the HTTP status (``app/blueprints/errors.py``), the leaves decide the reason
code that users, logs and decision records see. Codes are public and never change their meaning;
``docs/reference/errors.md`` explains each one. A message is safe to show to whoever asked: it never
carries a secret, a key, a token, a nonce or a session id. The cause, where there is one, is chained
with ``raise … from`` and goes to the log only.
"""

from __future__ import annotations

from typing import ClassVar


class DomainError(Exception):
    """The base of every error of the domain; never raised itself.

    Attributes:
        code: the reason code, kebab-case.
        decision_id: the id of the decision record that tells the whole story, once there is one.
    """

    code: ClassVar[str]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.decision_id: str | None = None


# --- The bytes do not parse -------------------------------------------------------------------


class MalformedError(DomainError):
    """What was sent does not parse, or is not of the shape that was agreed."""

    code = "malformed"


class MalformedRequestError(MalformedError):
    """The request is not what this endpoint takes: JSON, members, types or encodings."""

    code = "malformed-request"


class TooLargeError(MalformedError):
    """The body is larger than this server takes."""

    code = "too-large"


class ProtocolVersionError(MalformedError):
    """The guest speaks a version of the protocol that cannot be served."""

    code = "protocol-version-unsupported"


class MalformedEvidenceError(MalformedError):
    """The evidence does not parse."""

    code = "malformed-evidence"


class MalformedInitDataError(MalformedError):
    """The init-data document does not parse, or names an unknown algorithm."""

    code = "malformed-init-data"


class MalformedTEEKeyError(MalformedError):
    """The TEE's public key is not of an accepted form."""

    code = "malformed-tee-key"


class MalformedTokenError(MalformedError):
    """The token is not a compact JWS with a JSON payload."""

    code = "malformed-token"


class MalformedPolicyError(MalformedError):
    """A policy does not compile or breaks its contract.

    Attributes:
        line: 1-based line of the fault, when the engine knows it.
        column: 1-based column of the fault, when the engine knows it.
    """

    code = "malformed-policy"

    def __init__(self, message: str, *, line: int | None = None, column: int | None = None) -> None:
        where = "" if line is None else f" (line {line}, column {column})"
        super().__init__(message + where)
        self.line = line
        self.column = column


class BrokenExamplesError(MalformedError):
    """A policy does not give what the examples kept beside it expect."""

    code = "policy-examples-broken"


class MalformedReferenceValueError(MalformedError):
    """A reference value message is not of its agreed form."""

    code = "malformed-reference-value"


class MalformedBundleError(MalformedError):
    """A bundle of collateral is not of its agreed form."""

    code = "malformed-bundle"


class MalformedFirmwareError(MalformedError):
    """A firmware image is of no known form, or not built for the TEE."""

    code = "malformed-firmware"


class IssuerUnusableError(MalformedError):
    """What was given of a token issuer is of no use: its address, its keys, its certificates."""

    code = "issuer-unusable"


class MalformedResourceError(MalformedError):
    """A resource path is not ``repository/type/tag`` of the allowed characters."""

    code = "malformed-resource-path"


# --- A check failed ---------------------------------------------------------------------------


class UnverifiedError(DomainError):
    """A check failed: what was presented does not prove what it claims."""

    code = "unverified"


class SignatureError(UnverifiedError):
    """A signature over evidence or collateral does not verify."""

    code = "signature-invalid"


class BindingMismatchError(UnverifiedError):
    """The evidence is bound to other report data: another key, or another nonce."""

    code = "binding-mismatch"


class InitDataMismatchError(UnverifiedError):
    """The evidence was launched with other init data."""

    code = "init-data-mismatch"


class ChainError(UnverifiedError):
    """A certificate chain does not lead to a pinned root."""

    code = "chain-invalid"


class UntrustedRootError(ChainError):
    """A chain ends in a root that is not pinned."""

    code = "root-untrusted"


class ExpiredCertificateError(ChainError):
    """A certificate is outside its validity period."""

    code = "certificate-expired"


class RevokedError(ChainError):
    """A certificate is on its issuer's revocation list."""

    code = "certificate-revoked"


class StaleCollateralError(UnverifiedError):
    """Vendor collateral is past its next update and settings do not accept that."""

    code = "collateral-stale"


class CollateralMismatchError(UnverifiedError):
    """Vendor collateral is genuine but is not about this platform."""

    code = "collateral-mismatch"


class UnknownPlatformError(UnverifiedError):
    """The vendor was asked, and has certified no such platform as the evidence names."""

    code = "platform-unknown"


class TCBMismatchError(UnverifiedError):
    """The TCB in the evidence is not the TCB of its certificate."""

    code = "tcb-mismatch"


class TCBUnsupportedError(UnverifiedError):
    """No TCB level of the vendor matches the platform, or the level is revoked."""

    code = "tcb-unsupported"


class PrivilegeLevelError(UnverifiedError):
    """The evidence was not made at the most privileged level of the guest."""

    code = "privilege-level"


class IdentityMismatchError(UnverifiedError):
    """An enclave or module that vouches for the evidence is not the vendor's."""

    code = "identity-mismatch"


class EventLogMismatchError(UnverifiedError):
    """Replaying the event log does not give the registers in the evidence."""

    code = "event-log-mismatch"


class RegisterMismatchError(UnverifiedError):
    """A TPM quote does not cover the registers that are listed beside it."""

    code = "register-mismatch"


class MeasurementMismatchError(UnverifiedError):
    """A device measures something else than its vendor's reference manifests tell."""

    code = "measurement-mismatch"


class UntrustedAttestationKeyError(UnverifiedError):
    """Nothing that is trusted vouches for the key that signed the evidence."""

    code = "attestation-key-untrusted"


# --- Nonces and tokens ------------------------------------------------------------------------


class NonceError(UnverifiedError):
    """The nonce cannot vouch for freshness."""

    code = "nonce-invalid"


class UnknownNonceError(NonceError):
    """The nonce was not issued here."""

    code = "nonce-unknown"


class ExpiredNonceError(NonceError):
    """The nonce was issued here and its time is over."""

    code = "nonce-expired"


class UsedNonceError(NonceError):
    """The nonce has vouched already; it does so once."""

    code = "nonce-used"


class MissingNonceError(NonceError):
    """A request without a nonce, where settings require one."""

    code = "nonce-missing"


class TokenError(UnverifiedError):
    """An attestation token was not accepted."""

    code = "token-invalid"


class MissingTokenError(TokenError):
    """Neither an attested session nor a bearer token came with the request."""

    code = "token-missing"


class UntrustedIssuerError(TokenError):
    """The token names an issuer that is not trusted here."""

    code = "token-issuer-untrusted"


class UnknownKeyError(TokenError):
    """No key of the issuer has the ``kid`` of the token."""

    code = "token-key-unknown"


class TokenSignatureError(TokenError):
    """The token's signature does not verify under the issuer's key."""

    code = "token-signature-invalid"


class TokenAlgorithmError(TokenError):
    """The token's algorithm is not the one of its key, or not accepted from this issuer."""

    code = "token-algorithm-refused"


class TokenChainError(TokenError):
    """The token's certificate chain is missing or does not lead to the issuer's anchors."""

    code = "token-chain-invalid"


class ExpiredTokenError(TokenError):
    """The token's time is over."""

    code = "token-expired"


class EarlyTokenError(TokenError):
    """The token's time has not begun."""

    code = "token-not-yet-valid"


class TokenAudienceError(TokenError):
    """The token was made for someone else."""

    code = "token-audience-mismatch"


class MissingTEEKeyError(TokenError):
    """The token carries no TEE key to seal the response to."""

    code = "token-tee-key-missing"


# --- Sessions ---------------------------------------------------------------------------------


class SessionError(DomainError):
    """A step of the handshake came out of order."""

    code = "session-invalid"


class MissingSessionError(SessionError):
    """No session cookie came with the request."""

    code = "session-missing"


class UnknownSessionError(SessionError):
    """The session cookie was not issued here."""

    code = "session-unknown"


class ExpiredSessionError(SessionError):
    """The session's time is over."""

    code = "session-expired"


class NonceMismatchError(SessionError):
    """The nonce is not the one this session was challenged with."""

    code = "session-nonce-mismatch"


class AttestedSessionError(SessionError):
    """The session is attested already, for another key."""

    code = "session-already-attested"


class IdentityTokenError(UnverifiedError):
    """What came back from the OpenID provider does not belong to this sign-in, or is not its."""

    code = "identity-token-invalid"


# --- Who may ----------------------------------------------------------------------------------


class UnauthenticatedError(DomainError):
    """An operator's call without valid credentials."""

    code = "admin-unauthenticated"


class DeniedError(DomainError):
    """A policy or a permission said no. The message names the rule, never the secret."""

    code = "denied"


class PolicyDeniedError(DeniedError):
    """The resource policy does not allow this release."""

    code = "policy-denied"


class PermissionDeniedError(DeniedError):
    """The operator lacks a permission, or the path is not in its access list."""

    code = "permission-denied"


class RevealDisabledError(DeniedError):
    """The settings let nobody read the value of a secret here."""

    code = "reveal-disabled"


class SignInRefusedError(DeniedError):
    """The identity provider refused, gives no role here, or the account is disabled here."""

    code = "sign-in-refused"


class ProofNeededError(DeniedError):
    """What was asked for needs an operator who showed a moment ago who it is."""

    code = "proof-needed"


class NeedsApprovalError(DeniedError):
    """The two-person rule is on, and nobody else has approved this change."""

    code = "needs-approval"


class OwnProposalError(DeniedError):
    """Who proposes a change cannot approve it."""

    code = "own-proposal"


# --- The rest ---------------------------------------------------------------------------------


class UntrustedSignerError(DeniedError):
    """A bundle of collateral or a message of reference values is signed by nobody trusted here."""

    code = "signer-untrusted"


class SignerOutOfScopeError(DeniedError):
    """A trusted signer gives a reference value whose name is not its to give."""

    code = "signer-out-of-scope"


class NotFoundError(DomainError):
    """There is no such thing here."""

    code = "not-found"


class ResourceNotFoundError(NotFoundError):
    """The secret does not exist. Said only to those whom policy allows to have it."""

    code = "resource-not-found"


class PluginNotFoundError(NotFoundError):
    """No client plugin of this name is enabled."""

    code = "plugin-not-found"


class PolicyNotFoundError(NotFoundError):
    """No policy of this id is set."""

    code = "policy-not-found"


class ExampleNotFoundError(NotFoundError):
    """The policy has no example of this name."""

    code = "example-not-found"


class ProposalNotFoundError(NotFoundError):
    """There is no proposal of this id."""

    code = "proposal-not-found"


class ReferenceValueNotFoundError(NotFoundError):
    """No reference value of this name is set, or it has expired."""

    code = "reference-value-not-found"


class IssuerNotFoundError(NotFoundError):
    """No token issuer of this name is known."""

    code = "issuer-not-found"


class DecisionNotFoundError(NotFoundError):
    """No decision of this id is recorded."""

    code = "decision-not-found"


class APITokenNotFoundError(NotFoundError):
    """No API token of this id, or another account made it."""

    code = "api-token-not-found"


class OperatorNotFoundError(NotFoundError):
    """No account of this name."""

    code = "operator-not-found"


class ConsoleSessionNotFoundError(NotFoundError):
    """No console session of this name, or it is of another account."""

    code = "console-session-not-found"


class ConflictError(DomainError):
    """Someone was faster, or the thing exists already."""

    code = "conflict"


class CollateralRollbackError(ConflictError):
    """A bundle of collateral is older than one that was imported before."""

    code = "collateral-rollback"


class UnsupportedError(DomainError):
    """Known, but not enabled on this server."""

    code = "unsupported"


class UnknownTEEError(UnsupportedError):
    """No verifier for this kind of TEE is enabled."""

    code = "tee-unsupported"


class TEEKeyUnsupportedError(UnsupportedError):
    """The TEE key's algorithm is not enabled for responses."""

    code = "tee-key-unsupported"


class UnknownVCPUTypeError(UnsupportedError):
    """No signature of this type of virtual CPU is known."""

    code = "vcpu-type-unknown"


class MissingExtraError(UnsupportedError):
    """What was asked for needs a package that is not installed."""

    code = "extra-missing"


class UnavailableError(DomainError):
    """Something that this request depends on did not answer.

    Attributes:
        retry_after: whole seconds after which trying again makes sense.
    """

    code = "unavailable"

    def __init__(self, message: str, *, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreUnavailableError(UnavailableError):
    """The database is locked, full, or out of reach."""

    code = "store-unavailable"


class CollateralUnavailableError(UnavailableError):
    """No source has the vendor collateral that this evidence needs."""

    code = "collateral-unavailable"


class AppraiserUnavailableError(UnavailableError):
    """The remote Attestation Service did not answer."""

    code = "appraiser-unavailable"


class IssuerUnavailableError(UnavailableError):
    """The keys of a token issuer could not be fetched."""

    code = "issuer-unavailable"


class IdentityProviderUnavailableError(UnavailableError):
    """The OpenID provider that operators sign in with did not answer."""

    code = "identity-provider-unavailable"


class TooManyRequestsError(UnavailableError):
    """The caller asks more often than settings allow."""

    code = "too-many-requests"


class PolicyFailedError(DomainError):
    """A stored policy failed while it was evaluated, so the decision is no."""

    code = "policy-failed"


class SealingError(DomainError):
    """Something sealed does not open: another key, or it was tampered with."""

    code = "sealing-failed"


class ConfigError(DomainError):
    """The operator must act before this can be served.

    Attributes:
        faults: one sentence for each fault found, in the order of the settings.
    """

    code = "config-invalid"

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)
