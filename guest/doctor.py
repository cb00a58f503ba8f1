"""Looking at a guest from within: what works, what would be refused, and why.

Each check is independent of the others where it can be, so that one fault does not hide the next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial

from guest.aa.attestable import Attestable
from guest.aa.init_data import Binding, examine_init_data
from guest.aa.measurement import Measurer
from guest.attester import ChallengedAttester, Devices, path_exists
from guest.cdh.hub import Hub
from guest.detection import find_attester, find_device_attesters
from guest.errors import (
    ClockSkewError,
    ConfigError,
    GuestError,
    ProgramMissingError,
    RefusedError,
)
from guest.kms.registry import missing_libraries, provider_names
from guest.mounts.ext4 import FORMATTING_PROGRAMS
from guest.mounts.luks import CRYPTSETUP
from guest.mounts.programs import missing_programs
from guest.settings import PASSPORT, ServiceSettings, Settings
from guest.wire.json_types import JSONObject
from guest.wiring import Outside, build_agent, build_hub, devices_of, transport_to

OK = "ok"
FAILED = "failed"
SKIPPED = "skipped"

# Tokens are renewed half a minute before they expire, so a clock that is off by more spoils them.
CLOCK_TOLERANCE = timedelta(seconds=30)

DISK_PROGRAMS = (CRYPTSETUP, *FORMATTING_PROGRAMS, "mount")

# What servers answer to anyone; whatever they answer, it shows that they are there.
_PATH = "/healthz"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        check: its name.
        state: ``ok``, ``failed`` or ``skipped``.
        detail: one sentence.
        error: what failed.
    """

    check: str
    state: str
    detail: str
    error: GuestError | None = None

    def as_json(self) -> JSONObject:
        """With the code of the error, and the server's reason for a refusal."""
        members: JSONObject = {"check": self.check, "state": self.state, "detail": self.detail}
        if self.error is not None:
            members["code"] = self.error.code
        if isinstance(self.error, RefusedError) and self.error.reason:
            members["reason"] = self.error.reason
        return members

    def __str__(self) -> str:
        code = "" if self.error is None else f" ({self.error.code})"
        return f"{self.state:<8}{self.check}: {self.detail}{code}"


def examine(settings: Settings, outside: Outside, uri: str | None = None) -> Iterator[Finding]:
    """Check the guest, from the hardware to the servers.

    Args:
        settings: of the guest.
        outside: what it meets.
        uri: of a resource to fetch as the last check; what is fetched is thrown away.
    """
    devices = devices_of(settings, outside)
    yield _devices(devices)
    yield _kms_drivers()
    yield _volumes(settings)
    yield from _tee(settings, devices)
    served = _servers(settings)
    if not served:
        yield _failure("servers", ConfigError(["token_configs: no server is configured"]))
        return
    reached = []
    for name, service in served.items():
        findings = list(_server(name, service, settings, outside))
        reached.append(findings[0].state == OK)
        yield from findings
    if not all(reached):
        yield Finding("token", SKIPPED, "a server was not reached")
        return
    yield from _attestation(settings, outside, uri)


def exit_code(findings: list[Finding]) -> int:
    """That of the first failure; 0 without one."""
    errors = (each.error for each in findings if each.state == FAILED and each.error is not None)
    return next((error.exit_code for error in errors), 0)


def _devices(devices: Devices) -> Finding:
    paths = devices.paths
    there = [
        f"{name} ({path})" for name in paths.__slots__ if path_exists(path := getattr(paths, name))
    ]
    return Finding("devices", OK, ", ".join(there) or "none of those that attesters read")


def _kms_drivers() -> Finding:
    """Which key management services can be asked; a missing library is no fault of a guest."""
    missing = {name: missing_libraries(name) for name in provider_names()}
    usable = ", ".join(name for name, libraries in missing.items() if not libraries)
    others = ", ".join(name for name, libraries in missing.items() if libraries)
    return Finding("kms-drivers", OK, f"{usable}{f'; not installed: {others}' if others else ''}")


def _volumes(settings: Settings) -> Finding:
    """Whether there are the programs that mount disks, if anyone may have that done."""
    if not settings.rpc.secure_mount:
        return Finding("volumes", SKIPPED, "rpc.secure_mount is not set")
    missing = missing_programs(DISK_PROGRAMS)
    if missing:
        return _failure("volumes", ProgramMissingError(f"not installed: {', '.join(missing)}"))
    return Finding("volumes", OK, f"disks are mounted with {', '.join(DISK_PROGRAMS)}")


def _tee(settings: Settings, devices: Devices) -> Iterator[Finding]:
    """The TEE, evidence of it, and its init data."""
    try:
        attester = find_attester(settings.tee, devices, insecure_sample=settings.insecure_sample)
    except GuestError as error:
        yield _failure("tee", error)
        return
    warning = ", which proves nothing: anyone can forge it" if attester.insecure else ""
    yield Finding("tee", OK, f"{attester.tee}{warning}")
    subject = Attestable(attester, devices)
    if isinstance(attester, ChallengedAttester):
        yield Finding("evidence", SKIPPED, "is made for a challenge of its verifier only")
    else:
        yield _try("evidence", lambda: _evidence(subject))
    if "tpm" in {attester.tee, *(settings.device_tees or ())}:
        yield _try("attestation-key", lambda: _attestation_key(devices))
    yield from _beside(settings, devices)
    text = settings.init_data
    if text is None:
        yield Finding("init-data", SKIPPED, "none is configured")
    else:
        yield _try("init-data", lambda: _BINDINGS[examine_init_data(text, attester, devices)])
    yield _event_log(Measurer(attester, devices, settings.event_log))


_BINDINGS = {
    Binding.BOUND: "is what the hardware was launched with",
    Binding.UNBOUND: "will be bound by PCR 8 with the first attestation",
    Binding.NO_FIELD: "is compared by verifiers only; this TEE has no field for it",
}


def _evidence(subject: Attestable) -> str:
    subject.collect(bytes(64))
    return "can be made"


def _attestation_key(devices: Devices) -> str:
    from guest.aa.attestation_key import read_attestation_key

    key = read_attestation_key(devices, make=False)
    return f"verifiers have to list it in trusted_aks: {key.fingerprint}"


def _beside(settings: Settings, devices: Devices) -> Iterator[Finding]:
    """Each device beside the TEE, and evidence of it."""
    try:
        found = find_device_attesters(
            settings.device_tees, devices, insecure_sample_device=settings.insecure_sample_device
        )
    except GuestError as error:
        yield _failure("device-tees", error)
        return
    names = ", ".join(each.tee for each in found) or "none"
    yield Finding("device-tees", OK, names)
    for attester in found:
        subject = Attestable(attester, devices)
        yield _try(f"{attester.tee}-evidence", partial(_evidence, subject))


def _event_log(measurer: Measurer) -> Finding:
    if not measurer.settings.enabled:
        return Finding("event-log", SKIPPED, "eventlog_config.enable_eventlog is not set")
    return _try("event-log", lambda: _explained(measurer))


def _explained(measurer: Measurer) -> str:
    if measurer.examine():
        return "has an entry that a crash left unfinished; the next attestation finishes it"
    return "explains the register"


def _servers(settings: Settings) -> dict[str, ServiceSettings]:
    """The servers that the model of the settings needs, by name; each address once."""
    services = {
        "as": settings.attestation_service if settings.model == PASSPORT else None,
        "kbs": settings.resources or settings.key_broker,
        "kbs-tokens": settings.key_broker if settings.model != PASSPORT else None,
    }
    found: dict[str, ServiceSettings] = {}
    for name, service in services.items():
        if service is not None and service not in found.values():
            found[name] = service
    return found


def _server(
    name: str, service: ServiceSettings, settings: Settings, outside: Outside
) -> Iterator[Finding]:
    transport = transport_to(service, settings, outside)
    try:
        reply = transport.get(_PATH, {})
    except GuestError as error:
        yield _failure(name, error)
        return
    finally:
        transport.close()
    yield Finding(name, OK, f"{service.url} answers")
    yield _clock(f"{name}-clock", reply.headers.get("date", ""), outside.clock.now())


def _clock(check: str, date: str, now: datetime) -> Finding:
    """Compare with the server's time (RFC 9110, section 6.6.1), which is exact to the second."""
    try:
        skew = now - parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return Finding(check, SKIPPED, "the server does not say what time it is")
    seconds = round(skew.total_seconds())
    if abs(skew) <= CLOCK_TOLERANCE:
        return Finding(check, OK, f"{seconds:+d} s against the server's")
    direction = "ahead of" if seconds > 0 else "behind"
    sentence = f"this clock is {abs(seconds)} s {direction} the server's; set it right"
    return _failure(check, ClockSkewError(sentence))


def _attestation(settings: Settings, outside: Outside, uri: str | None) -> Iterator[Finding]:
    """Whether the servers accept this guest, and release a resource to it."""
    try:
        agent = build_agent(settings, outside)
        hub = build_hub(settings, agent, outside)
        renew_at = agent.get_token(hub.token_type).renew_at
    except GuestError as error:
        yield _failure("token", error)
        return
    yield Finding("token", OK, f"{hub.token_type}, to be renewed at {renew_at.isoformat()}")
    for each in settings.hub.credentials:
        name = f"credential {each.path.name}"
        yield _try(name, partial(_released, hub, each.resource_uri))
    if uri is not None:
        yield _try("resource", partial(_released, hub, uri))


def _released(hub: Hub, uri: str) -> str:
    return f"is released, {len(hub.get_resource(uri))} bytes"


def _try(check: str, run: Callable[[], str]) -> Finding:
    try:
        return Finding(check, OK, run())
    except GuestError as error:
        return _failure(check, error)


def _failure(check: str, error: GuestError) -> Finding:
    _log.debug("%s failed", check, exc_info=error)
    return Finding(check, FAILED, str(error).replace("\n", "; "), error)
