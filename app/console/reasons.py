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
