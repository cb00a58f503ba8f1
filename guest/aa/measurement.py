"""Runtime measurement: registers are extended, and events logged (guest.md, section 2.6).

A crash must leave neither ahead unnoticed. So the order is: the intention, the register, the log,
and then the intention is gone. Whoever finds an intention finishes what was begun before anything
else:

| the register holds | so | what is done |
|---|---|---|
| the value before | it was not extended | extend it, then write the entry |
| the value after | it was extended | write the entry |
| something else | others extended it, too | nothing: the log cannot explain the register any more |
"""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass

from guest.aa.events import Event, extended
from guest.aa.log_files import Intention, LogFiles
from guest.attester import Attester, Devices, MeasuringAttester
from guest.devices.event_log import replayed
from guest.errors import (
    AttesterError,
    ConfigError,
    EventLogError,
    MeasurementNotEnabledError,
    MeasurementUnsupportedError,
)
from guest.hardware_settings import EventLogSettings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured.

    Attributes:
        pcr: that was asked for.
        index: of the register, as the log names it.
        algorithm: of the register.
        digest: that it was extended with.
        value: that it holds since.
    """

    pcr: int
    index: int
    algorithm: str
    digest: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Measurer:
    """Extends registers of one TEE and keeps their log.

    Attributes:
        attester: of the TEE.
        devices: the way to the hardware.
        settings: whether, and which register when nobody names one.
    """

    attester: Attester
    devices: Devices
    settings: EventLogSettings

    def measure(self, event: Event, pcr: int | None = None) -> Measurement:
        """Extend a register with an event and log it.

        Args:
            event: what happened.
            pcr: the register, by the number of the PCR that it stands for; that of the settings
                when ``None``.

        Raises:
            MeasurementNotEnabledError: settings do not enable it.
            MeasurementUnsupportedError: this TEE cannot, or not in that register.
            EventLogError: log and register are not in step.
            AttesterError: the hardware refused; then nothing was measured.
        """
        if not self.settings.enabled:
            raise MeasurementNotEnabledError("eventlog_config.enable_eventlog is not set")
        attester = self._measuring()
        pcr = self._register(attester, pcr)
        index = attester.log_index(pcr)
        with self._files.locked():
            self._finish(attester)
            return self._extend(attester, event, pcr, index)

    def recover(self) -> bool:
        """Finish what a crash has left.

        Returns:
            Whether there was something.

        Raises:
            EventLogError: log and register are not in step.
            AttesterError: the hardware refused.
        """
        if not self.settings.enabled or not isinstance(self.attester, MeasuringAttester):
            return False
        with self._files.locked():
            return self._finish(self.attester)

    def examine(self) -> bool:
        """Look whether an event could be measured now; nothing is changed.

        Returns:
            Whether a crash has left something to be finished before.

        Raises:
            EventLogError: log and register are not in step.
            AttesterError: this TEE cannot measure, or the hardware failed.
        """
        attester = self._measuring()
        pcr = self._register(attester, None)
        index = attester.log_index(pcr)
        value = attester.read_register(pcr, self.devices)
        if self._files.intention() is not None:
            return True
        self._check_explained(attester, index, value)
        return False

    @property
    def _files(self) -> LogFiles:
        return LogFiles(self.devices.paths.event_log)

    def _measuring(self) -> MeasuringAttester:
        if not isinstance(self.attester, MeasuringAttester):
            raise MeasurementUnsupportedError(
                f"the TEE {self.attester.tee} has no registers for runtime measurement"
            )
        return self.attester

    def _register(self, attester: MeasuringAttester, pcr: int | None) -> int:
        if pcr is None:
            pcr = self.settings.register
        if pcr is None:
            pcr = attester.default_register
        if pcr is None:
            sentence = "has to name the PCR, since none is free on every machine"
            raise ConfigError([f"eventlog_config.init_pcr: {sentence}"])
        return pcr

    def _extend(
        self, attester: MeasuringAttester, event: Event, pcr: int, index: int
    ) -> Measurement:
        algorithm = attester.measurement_algorithm
        digest = event.digest(algorithm)
        before = attester.read_register(pcr, self.devices)
        self._check_explained(attester, index, before)
        after = extended(before, digest, algorithm)
        entry = event.entry(index, algorithm)
        intention = Intention(pcr, self._files.size(), before, after, digest, entry)
        self._files.intend(intention)
        try:
            attester.extend_register(pcr, digest, self.devices)
        except AttesterError:
            self._withdraw(attester, intention)
            raise
        self._log_extended(attester, intention)
        return Measurement(pcr, index, algorithm, digest, after)

    def _check_explained(self, attester: MeasuringAttester, index: int, value: bytes) -> None:
        """Where verifiers replay the log, it must explain the register before it says more."""
        if not attester.evidence_carries_log:
            return
        expected = replayed(self.devices.paths, index, attester.measurement_algorithm)
        if not hmac.compare_digest(expected, value):
            raise EventLogError(
                f"the event log does not explain what register {index} of it holds already;"
                " verifiers would refuse evidence with it"
            )

    def _finish(self, attester: MeasuringAttester) -> bool:
        intention = self._files.intention()
        if intention is None:
            return False
        _log.warning("an event was not measured to its end; finishing it")
        value = attester.read_register(intention.pcr, self.devices)
        if hmac.compare_digest(value, intention.before):
            attester.extend_register(intention.pcr, intention.digest, self.devices)
        self._log_extended(attester, intention)
        return True

    def _log_extended(self, attester: MeasuringAttester, intention: Intention) -> None:
        """The register holds what it should, so the entry may be written."""
        value = attester.read_register(intention.pcr, self.devices)
        if not hmac.compare_digest(value, intention.after):
            raise EventLogError(
                f"the register of PCR {intention.pcr} was extended by others at the same time;"
                " the event log cannot explain it any more"
            )
        self._files.append(intention)
        self._files.forget()

    def _withdraw(self, attester: MeasuringAttester, intention: Intention) -> None:
        """After a refusal: forget the intention if the register is as it was."""
        try:
            value = attester.read_register(intention.pcr, self.devices)
        except AttesterError:
            # Nobody knows; the next measurement will find the intention.
            return
        if hmac.compare_digest(value, intention.before):
            self._files.forget()
