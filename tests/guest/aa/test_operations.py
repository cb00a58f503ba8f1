"""What stock guests ask their Attestation Agent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bare_machine import bare_paths
from emulated_tdx import EmulatedTDX

from guest.aa.agent import AS_TOKEN, KBS_TOKEN
from guest.aa.events import Event
from guest.aa.operations import AgentOperations, MeasurementResult
from guest.errors import ConfigError, EventLogError, InitDataMismatchError, MalformedEventError
from guest.hardware_settings import EventLogSettings
from guest.kbs.tee_keys import TEEKeyPair
from guest.settings import Settings
from guest.wiring import Outside, build_operations


class OneToken:
    """Brings one token."""

    def __init__(self, token: str) -> None:
        self.token = token

    def fetch(self) -> tuple[str, TEEKeyPair]:
        """It."""
        return self.token, TEEKeyPair.generate()


@pytest.fixture
def kernel() -> EmulatedTDX:
    """A TDX guest's."""
    return EmulatedTDX("tdx_guest", lambda data: b"quote of " + data)


@pytest.fixture
def agent(tmp_path: Path, kernel: EmulatedTDX, clock: Any, jwt: Any) -> AgentOperations:
    """An agent of a TDX guest with a sample device, and tokens of both kinds."""
    paths = bare_paths(
        tmp_path / "none", tsm_report=tmp_path, event_log=tmp_path / "log",
        tdx_measurements=tmp_path,
    )  # fmt: skip
    settings = Settings(
        devices=paths,
        insecure_sample_device=True,
        event_log=EventLogSettings(enabled=True),
    )
    made = build_operations(settings, Outside(clock, kernel))
    token = OneToken(jwt(exp=4102444800))
    from guest.aa.agent import AttestationAgent

    return replace(made, tokens=AttestationAgent({AS_TOKEN: token, KBS_TOKEN: token}, clock))


def test_refuses_other_tokens(agent: AgentOperations) -> None:
    """Two types exist."""
    with pytest.raises(ConfigError):
        agent.get_token("maa")


def test_refuses_events_that_do_not_read_back(agent: AgentOperations) -> None:
    """Before anything is measured."""
    with pytest.raises(MalformedEventError):
        agent.extend_runtime_measurement("d", "o", "a\nb")


def test_says_when_it_does_not_measure(agent: AgentOperations, kernel: EmulatedTDX) -> None:
    """By the protocol's own results; what is broken is no such result."""
    off = replace(agent.measurer, settings=EventLogSettings())
    quiet = replace(agent, measurer=off)
    assert quiet.extend_runtime_measurement("d", "o", "c") is MeasurementResult.NOT_ENABLED
    kernel.failing["register"] = 2
    assert agent.extend_runtime_measurement("d", "o", "c") is MeasurementResult.NOT_SUPPORTED
    del kernel.failing["register"]
    kernel.registers[3] = b"x" * 48
    with pytest.raises(EventLogError):
        agent.extend_runtime_measurement("d", "o", "c")


def test_refuses_other_init_data(agent: AgentOperations, tmp_path: Path) -> None:
    """The digest alone is enough."""
    (tmp_path / "mrconfigid").write_bytes(b"\1" * 48)
    with pytest.raises(InitDataMismatchError):
        agent.bind_init_data(b"\2" * 32)
    assert agent.bind_init_data(b"\1" * 48)


def test_answers_byte_for_byte(agent: AgentOperations) -> None:
    """Compact JSON; nothing is hashed; the AS's token is bare."""
    evidence = agent.get_evidence(b"data")
    assert evidence == json.dumps(json.loads(evidence), separators=(",", ":")).encode()
    assert json.loads(evidence).keys() == {"quote", "cc_eventlog"}
    expected = b'{"sampledevice":{"svn":"2","report_data":"ZGF0YQ=="}}'
    assert agent.get_additional_evidence(b"data") == expected
    assert replace(agent.subject, beside=()).collect_devices(b"data") == ""
    assert agent.get_tee_type() == "tdx"
    assert agent.get_additional_tees() == ["sampledevice"]
    assert agent.get_token(AS_TOKEN).count(b".") == 2
    held = json.loads(agent.get_token(KBS_TOKEN))
    assert held.keys() == {"token", "tee_keypair"}
    assert held["tee_keypair"].startswith("-----BEGIN PRIVATE KEY-----")


def test_measures(agent: AgentOperations, kernel: EmulatedTDX, tmp_path: Path) -> None:
    """Numbers of the results are the protocol's."""
    assert agent.extend_runtime_measurement("d", "o", "c", 8) is MeasurementResult.OK
    assert (tmp_path / "log").read_bytes() == Event("d", "o", "c").entry(3, "sha384")
    assert [each.value for each in MeasurementResult] == [0, 1, 2]
