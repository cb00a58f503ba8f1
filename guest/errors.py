"""What can go wrong in the guest: each leaf has a stable code, an exit code and a safe message.

The bases are never raised. Causes travel by ``raise … from`` and go to the log only.
"""

from __future__ import annotations


class GuestError(Exception):
    """Base of everything the guest raises on purpose.

    Attributes:
        code: stable and public, in kebab case.
        exit_code: of the command line.
    """

    code = "guest-failed"
    exit_code = 1


# --- What the operator of the guest must change -------------------------------------------------


class ConfigError(GuestError):
    """The settings do not fit together.

    Attributes:
        faults: one sentence for each fault, each with its key.
    """

    code = "config-invalid"
    exit_code = 2

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class ResourceURIError(GuestError):
    """What was asked for is no resource URI."""

    code = "resource-uri-invalid"
    exit_code = 3


class ClockSkewError(GuestError):
    """The guest's clock is far from a server's, so tokens would seem expired or not yet valid."""

    code = "clock-wrong"
    exit_code = 4


class ListenError(GuestError):
    """The API's address or socket cannot be listened on."""

    code = "listen-failed"
    exit_code = 5


class MalformedEventError(GuestError):
    """What was to be measured cannot be written into an event log so that it reads back."""

    code = "event-malformed"
    exit_code = 6


class MeasurementNotEnabledError(GuestError):
    """Settings do not enable runtime measurement."""

    code = "measurement-not-enabled"
    exit_code = 7


class MountNotEnabledError(GuestError):
    """Settings do not let callers have volumes mounted."""

    code = "secure-mount-not-enabled"
    exit_code = 8


class CredentialError(GuestError):
    """A credential that settings ask for could not be written where they say."""

    code = "credential-not-kept"
    exit_code = 9


# --- The hardware -------------------------------------------------------------------------------


class AttesterError(GuestError):
    """Base: no evidence could be made."""


class NoTEEError(AttesterError):
    """No TEE was found here, or not the one that settings name."""

    code = "tee-not-found"
    exit_code = 10


class DeviceError(AttesterError):
    """The device that makes evidence failed, or answered what its interface does not allow."""

    code = "device-failed"
    exit_code = 11


class DeviceConflictError(AttesterError):
    """Others kept writing to the same report request, try after try."""

    code = "device-conflict"
    exit_code = 12


class InitDataMismatchError(AttesterError):
    """The hardware was started with other init data than this guest was given."""

    code = "init-data-mismatch"
    exit_code = 13


class MeasurementUnsupportedError(AttesterError):
    """The hardware has no register for runtime measurement, or not this one."""

    code = "measurement-not-supported"
    exit_code = 14


class EventLogError(AttesterError):
    """The event log and the register that it explains are not in step, or cannot be kept so."""

    code = "event-log-broken"
    exit_code = 15


# --- The way to the server ----------------------------------------------------------------------


class ConnectionFailedError(GuestError):
    """Base: there was no answer."""


class UnreachableError(ConnectionFailedError):
    """The server did not answer in time, or at all."""

    code = "server-unreachable"
    exit_code = 20


class TLSError(ConnectionFailedError):
    """The server could not show that it is the one whose root certificate is configured."""

    code = "server-untrusted"
    exit_code = 21


class ProtocolError(GuestError):
    """The server answered what the protocol does not allow."""

    code = "protocol-broken"
    exit_code = 22


class MissingNonceError(ProtocolError):
    """The Attestation Service issued no nonce, so its token would prove no freshness."""

    code = "nonce-missing"
    exit_code = 23


class SealedResponseError(ProtocolError):
    """The response does not open under the TEE key."""

    code = "response-not-openable"
    exit_code = 24


class MalformedTokenError(ProtocolError):
    """The server's token is no JWT with an expiry."""

    code = "token-malformed"
    exit_code = 25


class PeerError(GuestError):
    """A stock daemon that is asked instead refused, or answered what none may."""

    code = "peer-failed"
    exit_code = 26


# --- What the server decided --------------------------------------------------------------------


class RefusedError(GuestError):
    """Base: the server refused.

    Attributes:
        status: of HTTP.
        reason: the server's reason code; ``""`` when it gave none.
        decision_id: under which the server recorded the decision; ``""`` when it gave none.
    """

    def __init__(self, message: str, *, status: int, reason: str = "", decision: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.decision_id = decision


class RequestRefusedError(RefusedError):
    """The server does not take the request as it is."""

    code = "request-refused"
    exit_code = 30


class UnauthorizedError(RefusedError):
    """The server did not accept the evidence or the token, also after a fresh attestation."""

    code = "unauthorized"
    exit_code = 31


class DeniedError(RefusedError):
    """The server's policy says no."""

    code = "denied"
    exit_code = 32


class NotFoundError(RefusedError):
    """The resource does not exist."""

    code = "not-found"
    exit_code = 33


class UnavailableError(RefusedError):
    """The server cannot serve now, and waiting longer is not worth it."""

    code = "server-unavailable"
    exit_code = 34


# --- Secrets and keys that are brought to the guest ---------------------------------------------


class SealedSecretError(GuestError):
    """Base: a sealed secret or a wrapped key was not opened."""


class MalformedSecretError(SealedSecretError):
    """It is no sealed secret of a kind that is known."""

    code = "sealed-secret-malformed"
    exit_code = 40


class UntrustedKeyError(SealedSecretError):
    """The key that a sealed secret names is not pinned, or is no key that could verify it."""

    code = "sealing-key-untrusted"
    exit_code = 41


class SecretSignatureError(SealedSecretError):
    """The signature is not of the key that the sealed secret names."""

    code = "sealed-secret-unverified"
    exit_code = 42


class MalformedPacketError(SealedSecretError):
    """It is no request of a key provider, or its annotation is no packet."""

    code = "key-packet-malformed"
    exit_code = 43


class UnknownProviderError(SealedSecretError):
    """There is no driver of that name for key management services."""

    code = "kms-provider-unknown"
    exit_code = 44


class NotDecryptedError(SealedSecretError):
    """It does not open under that key, or what was to be the key is none."""

    code = "not-decrypted"
    exit_code = 45


# --- Volumes ------------------------------------------------------------------------------------


class VolumeError(GuestError):
    """Base: a volume was not mounted."""


class MalformedMountError(VolumeError):
    """It is no request to mount, or its options do not fit."""

    code = "mount-malformed"
    exit_code = 50


class BlockDeviceError(VolumeError):
    """The disk is not there, is none, or is in use."""

    code = "block-device-unusable"
    exit_code = 51


class UntrustedVolumeError(VolumeError):
    """The disk says itself how it is protected, and that is not what is demanded."""

    code = "volume-untrusted"
    exit_code = 52


class MountPointError(VolumeError):
    """Nothing can be mounted there."""

    code = "mount-point-unusable"
    exit_code = 53


class ProgramMissingError(VolumeError):
    """A program that mounting needs is not installed."""

    code = "program-missing"
    exit_code = 54


class ProgramFailedError(VolumeError):
    """A program that mounting needs failed; what it said is in the log.

    Attributes:
        status: with which it ended, or ``None`` when it did not end by itself.
    """

    code = "program-failed"
    exit_code = 55

    def __init__(self, message: str, *, status: int | None) -> None:
        super().__init__(message)
        self.status = status


# --- Key management services --------------------------------------------------------------------


class KMSError(GuestError):
    """Base: a key management service did not do what a sealed secret or a packet asks of it."""


class KMSUnavailableError(KMSError):
    """The service was not reached, did not answer in time, or says that it cannot now."""

    code = "kms-unavailable"
    exit_code = 60


class KMSDeniedError(KMSError):
    """The service refuses these credentials, or does not let them use this key or secret."""

    code = "kms-denied"
    exit_code = 61


class KMSNotFoundError(KMSError):
    """The service has no such key or secret."""

    code = "kms-not-found"
    exit_code = 62


class KMSAnswerError(KMSError):
    """The service answered what its interface does not allow, too much, or with a redirect."""

    code = "kms-answer-malformed"
    exit_code = 63


class KMSCredentialsError(KMSError):
    """The credentials of a service are not where settings say, or are none."""

    code = "kms-credentials-missing"
    exit_code = 64


class KMSExtraError(KMSError):
    """A driver needs a library that is not installed."""

    code = "kms-extra-missing"
    exit_code = 65


class KMSUnsupportedError(KMSError):
    """The service is there, and what is asked is none of its operations."""

    code = "kms-unsupported"
    exit_code = 66
