"""Reason codes in plain sentences: what happened, and what would change it."""

from __future__ import annotations

from dataclasses import dataclass

from app.trust import errors


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason code explained.

    Attributes:
        sentence: what happened.
        change: what would make it come out otherwise.
    """

    sentence: str
    change: str


_UNKNOWN = Reason(
    "The decision ended with this reason code.",
    "The reference of errors says what it means; the server's log has the cause.",
)

_RETRY = "The guest attests again; nothing has to be changed here."
_FORGED = (
    "Nothing here should change it: evidence that fails a check is evidence of nothing. "
    "Find out who sent it, and whether the guest and this server disagree about a format."
)

REASONS: dict[str, Reason] = {
    errors.PolicyDeniedError.code: Reason(
        "The resource policy was evaluated, and its rule allow did not become true.",
        "An appraisal that the policy accepts, or a policy that accepts this appraisal.",
    ),
    errors.PolicyFailedError.code: Reason(
        "A stored policy failed while it was evaluated, and that counts as no.",
        "Mend the policy at the line that the log names, or roll back to the version before.",
    ),
    errors.ResourceNotFoundError.code: Reason(
        "The policy allowed the release, but there is no secret at this path.",
        "Write the secret, or correct the path that the guest asks for.",
    ),
    errors.PluginNotFoundError.code: Reason(
        "The path names a plugin that is not enabled here.",
        "Correct the path that the guest asks for, or enable the plugin.",
    ),
    errors.TEEKeyUnsupportedError.code: Reason(
        "The policy allowed the release, but the guest's key is of a kind that is not enabled.",
        "Let the guest use another key, or add its algorithm to broker.response_algorithms.",
    ),
    errors.MissingTEEKeyError.code: Reason(
        "The token carries no key of the TEE, so there is nothing to seal the secret to.",
        "Have the token made with the guest's key in its runtime data.",
    ),
    errors.UnknownTEEError.code: Reason(
        "No verifier for this kind of TEE is enabled.",
        "Add its name to attestation.verifiers and restart the server.",
    ),
    errors.UsedNonceError.code: Reason(
        "The nonce had been used before: this is a repetition, or a replay.", _RETRY
    ),
    errors.ExpiredNonceError.code: Reason(
        "The nonce had expired before the evidence came.",
        f"{_RETRY} When it happens often, raise attestation.challenge_lifetime_seconds.",
    ),
    errors.UnknownNonceError.code: Reason("The nonce was not issued by this server.", _RETRY),
    errors.MissingNonceError.code: Reason(
        "The evidence came without a nonce of this server, so it may be old.",
        "Let the guest ask for a challenge first.",
    ),
    errors.SignatureError.code: Reason("A signature in the evidence does not verify.", _FORGED),
    errors.BindingMismatchError.code: Reason(
        "The evidence is not bound to this nonce and this key of the TEE.", _FORGED
    ),
    errors.InitDataMismatchError.code: Reason(
        "The init-data that came along is not the one that the TEE was started with.",
        "Start the guest with the init-data that it sends, or send what it was started with.",
    ),
    errors.UntrustedRootError.code: Reason(
        "The evidence leads to a root that is not trusted for this TEE.", _FORGED
    ),
    errors.RevokedError.code: Reason(
        "A certificate of the evidence is revoked by its vendor.",
        "Another machine, or new certificates of the vendor for this one.",
    ),
    errors.ExpiredCertificateError.code: Reason(
        "A certificate of the evidence has expired.", "Renew the collateral of this machine."
    ),
    errors.StaleCollateralError.code: Reason(
        "The vendor's collateral here is too old to judge by.",
        "Refresh the collateral: check that its sources can be reached.",
    ),
    errors.CollateralUnavailableError.code: Reason(
        "No source has the vendor collateral that this evidence needs.",
        "Check collateral.sources, or import the collateral.",
    ),
    errors.UnknownPlatformError.code: Reason(
        "The vendor was asked, and has certified no such chip as the evidence names.", _FORGED
    ),
    errors.TCBUnsupportedError.code: Reason(
        "The platform's firmware is of a level that is not supported.", "Update its firmware."
    ),
    errors.MalformedEvidenceError.code: Reason(
        "The evidence does not parse.", "A guest whose version speaks the format of its TEE."
    ),
    errors.EventLogMismatchError.code: Reason(
        "The event log does not give the measured registers.", _FORGED
    ),
    errors.PolicyNotFoundError.code: Reason(
        "No policy of the id that was asked for is set.",
        "Set it, or let the guest's side ask for one that is there.",
    ),
    errors.ChainError.code: Reason(
        "A certificate chain of the evidence does not lead to a pinned root.", _FORGED
    ),
    errors.CollateralMismatchError.code: Reason(
        "The vendor's collateral is genuine, but about another platform.",
        "Collateral for this family of machines: check collateral.sources.",
    ),
    errors.TCBMismatchError.code: Reason(
        "The firmware that the evidence names is not the one that its certificate is for.",
        "A certificate for the firmware that runs: have the guest fetch it anew, or leave it out "
        "so that it is fetched here.",
    ),
    errors.PrivilegeLevelError.code: Reason(
        "The evidence was not asked for at the most privileged level of the guest (VMPL 0).",
        "Let the guest's agent ask at VMPL 0, or attest through its virtual TPM.",
    ),
    errors.IdentityMismatchError.code: Reason(
        "An enclave, a module or an image that vouches for the evidence is not the expected one.",
        _FORGED,
    ),
    errors.RegisterMismatchError.code: Reason(
        "The TPM's quote is not of the registers that are listed beside it.", _FORGED
    ),
    errors.MeasurementMismatchError.code: Reason(
        "A device measures something else than its vendor's reference manifests tell.",
        "Firmware and a driver that the vendor released; a device that runs something else on "
        'purpose is judged by reference values alone with manifests = "skip".',
    ),
    errors.UntrustedAttestationKeyError.code: Reason(
        "Nothing that is trusted vouches for the key that signed the evidence.",
        "Enroll the key in attestation.verifier_options, when you know whose TPM it is.",
    ),
    errors.MalformedInitDataError.code: Reason(
        "The init-data document that came along does not parse.",
        "Init-data as the guest's agent writes it: TOML with version, algorithm and data.",
    ),
    errors.MalformedTEEKeyError.code: Reason(
        "The public key of the TEE is not of an accepted form.",
        "A guest whose version makes keys that this server knows.",
    ),
    errors.SealingError.code: Reason(
        "Something that is sealed here does not open: another key-encryption key, or damage.",
        "Check sealing.keys: the key that sealed it has to be among them.",
    ),
    errors.MissingTokenError.code: Reason(
        "The guest came without an attested session and without a token.",
        "Let the guest attest first; when it did, check that its cookie arrives: the same host, "
        "and HTTPS where the cookie asks for it.",
    ),
    errors.MalformedTokenError.code: Reason(
        "What was presented is no token: no compact JWS with the claims of one.",
        "Let the guest present the token as it got it.",
    ),
    errors.UntrustedIssuerError.code: Reason(
        "The token names an issuer that this KBS does not trust.",
        "Add the issuer to broker.issuers, when its Attestation Service is one that you trust; "
        "or send the guest to one that is there.",
    ),
    errors.UnknownKeyError.code: Reason(
        "The issuer of the token has no such key.",
        "Wait until its key set was fetched again, or check the issuer's jwks_url or jwks_file.",
    ),
    errors.TokenSignatureError.code: Reason(
        "The token's signature does not verify under the key of its issuer.", _FORGED
    ),
    errors.TokenAlgorithmError.code: Reason(
        "The token is signed by an algorithm that is not accepted from its issuer.",
        "Add the algorithm to the issuer's algorithms, when its key is of that kind.",
    ),
    errors.TokenChainError.code: Reason(
        "The certificates in the token are missing, or lead to no authority of its issuer.",
        "Check the issuer's ca_files, and that its tokens carry their chain.",
    ),
    errors.ExpiredTokenError.code: Reason(
        "The token had expired when it was presented.",
        "The guest attests again. When it happens at once, compare the clocks of both services.",
    ),
    errors.EarlyTokenError.code: Reason(
        "The token's time had not begun.",
        "Compare the clocks of both services; leeway_seconds of the issuer allows for a little.",
    ),
    errors.TokenAudienceError.code: Reason(
        "The token was made for another audience.",
        "Have the Attestation Service make tokens for this one (attestation.audience there), or "
        "correct the issuer's audience here.",
    ),
    errors.MissingSessionError.code: Reason(
        "The guest sent its evidence without the cookie of its handshake.",
        "Let its client keep cookies between the two requests.",
    ),
    errors.UnknownSessionError.code: Reason(
        "The session cookie was not issued here.",
        f"{_RETRY} With several servers, check that they share one database.",
    ),
    errors.ExpiredSessionError.code: Reason("The session's time was over.", _RETRY),
    errors.NonceMismatchError.code: Reason(
        "The evidence is for another nonce than the one that this session was given.", _RETRY
    ),
    errors.AttestedSessionError.code: Reason(
        "The session is attested already, for another key of the TEE.", _RETRY
    ),
    errors.ProtocolVersionError.code: Reason(
        "The guest speaks a version of the protocol that cannot be served.",
        "A guest of a version from 0.1 to 0.4 of the protocol.",
    ),
    errors.MalformedRequestError.code: Reason(
        "The request is not what this address takes.",
        "A guest or program that speaks this server's interface; the detail says which part.",
    ),
    errors.MalformedResourceError.code: Reason(
        "The path that was asked for is no repository/type/tag.", "Correct the path."
    ),
    errors.TooLargeError.code: Reason(
        "The request is larger than this server takes.",
        "Send less, or raise server.max_body_bytes.",
    ),
    errors.TooManyRequestsError.code: Reason(
        "The caller asks more often than limits allow.",
        "Wait, or raise limits.handshake or limits.sign_in.",
    ),
    errors.StoreUnavailableError.code: Reason(
        "The database is locked, full, or out of reach.", "Mend the database, then ask again."
    ),
    errors.AppraiserUnavailableError.code: Reason(
        "The remote Attestation Service did not answer.",
        "Check broker.remote_appraiser.url and the network to it, then ask again.",
    ),
    errors.IssuerUnavailableError.code: Reason(
        "The keys of the token's issuer could not be fetched.",
        "Check the issuer's jwks_url and the network to it, then ask again.",
    ),
    "affirming": Reason("Every part of the guest was appraised as affirming.", "Nothing has to."),
    "warning": Reason(
        "A token was signed, but a part of the guest deserves a warning.",
        "Reference values for what the guest is, when you have reason to trust it.",
    ),
    "contraindicated": Reason(
        "A token was signed that says: do not trust this guest.",
        "Reference values for what the guest is, when you have reason to trust it.",
    ),
    "none": Reason(
        "A token was signed, but the policy made no claim about the guest.",
        "A policy that judges this kind of TEE.",
    ),
    "policy-allowed": Reason("The resource policy allowed the release.", "Nothing has to."),
}


def explained(code: str) -> Reason:
    """The reason of a code."""
    return REASONS.get(code, _UNKNOWN)
