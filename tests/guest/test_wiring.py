"""From settings to an agent and a hub."""

from __future__ import annotations

from typing import Any

import pytest

from guest.errors import ConfigError, NoTEEError
from guest.settings import parse_settings
from guest.wiring import Outside, build_agent, build_hub

AS = {"url": "http://127.0.0.1:1"}
KBS = {"url": "http://127.0.0.1:2"}


def configured(**members: Any) -> Any:
    """Settings with the sample TEE."""
    return parse_settings({"insecure_sample": True, **members})


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({}, "token_configs.kbs.url"),
        ({"token_configs": {"coco_as": AS}}, "token_configs.kbs.url"),
        ({"token_configs": {"kbs": KBS}, "model": "passport"}, "token_configs.coco_as.url"),
    ],
)
def test_says_which_server_is_missing(members: dict[str, Any], fault: str, clock: Any) -> None:
    """By its key."""
    settings, outside = configured(**members), Outside(clock)
    with pytest.raises(ConfigError, match=fault):
        build_hub(settings, build_agent(settings, outside), outside)


def test_does_not_attest_without_a_tee(tmp_path: Any, clock: Any) -> None:
    """Nothing stands in for it."""
    names = ("tsm_report", "tdx_guest", "sev_guest", "gramine", "ccel")
    nowhere = dict.fromkeys(names, str(tmp_path / "none"))
    with pytest.raises(NoTEEError):
        build_agent(parse_settings({"devices": nowhere}), Outside(clock))


def test_shouts_about_the_sample(clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    """At every start."""
    build_agent(configured(), Outside(clock))
    assert "INSECURE" in caplog.text


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"token_configs": {"kbs": KBS}}, "kbs"),
        ({"token_configs": {"kbs": KBS, "coco_as": AS}}, "coco_as"),
        ({"token_configs": {"kbs": KBS, "coco_as": AS}, "model": "background-check"}, "kbs"),
    ],
)
def test_the_model_chooses_the_token(members: dict[str, Any], kind: str, clock: Any) -> None:
    """An AS in the settings means passport, unless they say otherwise."""
    settings, outside = configured(**members), Outside(clock)
    assert build_hub(settings, build_agent(settings, outside), outside).token_type == kind
