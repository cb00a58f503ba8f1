"""TPM commands, against a TPM in software."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from paths import VECTORS
from software_tpm import AK_HANDLE, SoftwareTPM

from guest.devices.tpm import TPM, open_tpm
from guest.devices.tpm_quotes import (
    _attested,
    bare_signature,
    public_key_info,
    quote_registers,
)
from guest.devices.tpm_wire import TPMRefusedError
from guest.errors import DeviceConflictError, DeviceError, NoTEEError
from guest.wire.encoding import b64_decode


@dataclass
class ScriptedChannel:
    """Answers in the order of a script; the last answer repeats."""

    script: list[bytes]
    sent: list[bytes] = field(default_factory=list)

    def transact(self, command: bytes) -> bytes:
        """The next answer."""
        self.sent.append(command)
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


def answer(code: int, body: bytes = b"", tag: int = 0x8001) -> bytes:
    """A response with a code."""
    return (
        tag.to_bytes(2, "big")
        + (10 + len(body)).to_bytes(4, "big")
        + code.to_bytes(4, "big")
        + body
    )


class Wiretap:
    """Keeps what a TPM answered."""

    def __init__(self, channel: Any) -> None:
        self.channel, self.heard = channel, list[bytes]()

    def transact(self, command: bytes) -> bytes:
        """What the TPM answers."""
        self.heard.append(self.channel.transact(command))
        return self.heard[-1]


COMMANDS = {
    "ReadPublic": lambda tpm: public_key_info(tpm.read_public(AK_HANDLE)),
    "Quote": lambda tpm: bare_signature(tpm.quote(AK_HANDLE, bytes(32)).signature),
    "PCR_Read": lambda tpm: tpm.read_pcrs(0xFF),
    "NV_ReadPublic": lambda tpm: tpm.nv_size(0x01400002),
    "handles": lambda tpm: tpm.persistent_handles(),
    "banks": lambda tpm: tpm.has_sha256_bank(),
    "manufacturer": lambda tpm: tpm.manufacturer(),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_refuses_answers_that_are_cut_off(tpm: SoftwareTPM, clock: Any, name: str) -> None:
    """At every length, with a header that says so: a typed error, never another."""
    run: Any = COMMANDS[name]
    with tpm.talk() as words:
        words.write_nv(0x01400002, bytes(64))
        tap = Wiretap(words._channel)
        run(TPM(tap, clock))
    # A TPM may first say that it is busy.
    whole = tap.heard[-1]
    for size in range(10, len(whole)):
        cut = whole[:2] + size.to_bytes(4, "big") + whole[6:size]
        with pytest.raises(DeviceError):
            run(TPM(ScriptedChannel([cut]), clock))


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (0x101, "failure mode"),
        (0x18B, "no such handle"),
        (0x921, "locked out"),
        (0x9A2, "a password is set"),
        (0x98E, "a password is set"),
        (0x1D5, "wrong size"),
        (0x444, "part 2"),
        (0x7FF, "an argument"),
    ],
)
def test_says_why_the_tpm_refused(clock: Any, code: int, sentence: str) -> None:
    """In words where the code is known, and always with the code."""
    with pytest.raises(TPMRefusedError, match=sentence) as caught:
        TPM(ScriptedChannel([answer(code)]), clock).read_public(AK_HANDLE)
    assert f"{code:#x}" in str(caught.value)


def test_a_busy_tpm_is_asked_again_and_given_up(clock: Any) -> None:
    """Five times, with pauses."""
    channel = ScriptedChannel([answer(0x922)])
    with pytest.raises(TPMRefusedError):
        TPM(channel, clock).read_public(AK_HANDLE)
    assert len(channel.sent) == 5
    assert clock.waits == [0.2] * 4


@pytest.mark.parametrize("tag", [0, 0xC4, 0xFFFF])
def test_refuses_other_forms(clock: Any, tag: int) -> None:
    """TPM 1.2 answers with another tag."""
    with pytest.raises(DeviceError):
        TPM(ScriptedChannel([answer(0, bytes(8), tag)]), clock).read_public(AK_HANDLE)


def test_refuses_a_tpm_without_sha256(clock: Any) -> None:
    """It answers, with no registers."""
    nothing = answer(0, (7).to_bytes(4, "big") + bytes(8))
    with pytest.raises(DeviceError, match="SHA-256"):
        TPM(ScriptedChannel([nothing]), clock).read_pcrs()


def test_refuses_an_index_of_unlikely_size(clock: Any) -> None:
    """Nothing is read without end."""
    public = (0x01400001).to_bytes(4, "big") + bytes(6) + bytes(2) + b"\xff\xff"
    body = len(public).to_bytes(2, "big") + public + bytes(2)
    with pytest.raises(DeviceError, match="larger than any"):
        TPM(ScriptedChannel([answer(0, body)]), clock).read_nv(0x01400001)


def test_a_place_without_a_tpm_is_no_tee(tmp_path: Path, clock: Any) -> None:
    """And one that cannot be opened is a device's failure."""
    with pytest.raises(NoTEEError), open_tpm(tmp_path / "none", clock):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(DeviceError), open_tpm(tmp_path / "folder", clock):
        pass


def test_a_missing_key_is_told_from_other_failures(tpm: SoftwareTPM) -> None:
    """So that it can be made; a key that is there is not made again."""
    with tpm.talk() as words:
        with pytest.raises(TPMRefusedError) as caught:
            words.read_public(0x81010099)
        assert caught.value.is_missing
        with pytest.raises(TPMRefusedError) as caught:
            words.make_attestation_key(AK_HANDLE)
        assert not caught.value.is_missing
        assert AK_HANDLE in words.persistent_handles()


def test_says_that_a_register_is_closed_to_the_operating_system(tpm: SoftwareTPM) -> None:
    """PCR 17, which TDX guests use by default, is for the processor on a TPM."""
    with tpm.talk() as words, pytest.raises(TPMRefusedError, match="locality"):
        words.extend_pcr(17, bytes(32))


def test_extends_and_reads_registers(tpm: SoftwareTPM) -> None:
    """PCR 9 becomes the digest of what it was and what came."""
    with tpm.talk() as words:
        before = words.read_pcrs()
        words.extend_pcr(9, b"\1" * 32)
        after = words.read_pcrs()
    assert len(before) == 24
    assert after[9] == hashlib.sha256(before.pop(9) + b"\1" * 32).digest()
    assert {number: after[number] for number in before} == before


def test_keeps_bytes_in_nv_memory(tpm: SoftwareTPM) -> None:
    """More than fit into one command, too."""
    data = os.urandom(1300)
    with tpm.talk() as words:
        words.write_nv(0x01400010, data)
        assert words.nv_size(0x01400010) == 1300
        assert words.read_nv(0x01400010) == data
        words.write_nv(0x01400010, b"x" * 1300)
        assert words.read_nv(0x01400010) == b"x" * 1300


def test_tells_what_it_is(tpm: SoftwareTPM) -> None:
    """As ``doctor`` shows it."""
    with tpm.talk() as words:
        assert words.manufacturer() == "IBM"
        assert words.has_sha256_bank()


def test_another_program_accepts_the_quote(tpm: SoftwareTPM, tmp_path: Path) -> None:
    """tpm2_checkquote: the form of quote and signature, the key, the nonce."""
    nonce = bytes(range(32))
    with tpm.talk() as words:
        encoded = public_key_info(words.read_public(AK_HANDLE))
        quoted = quote_registers(words, AK_HANDLE, nonce)
    key = serialization.load_der_public_key(encoded)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    files = {"ak": pem, "quote": quoted.quote.message, "signature": quoted.quote.signature}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    check = ["tpm2_checkquote", "-g", "sha256"]
    for option, name in (("-u", "ak"), ("-m", "quote"), ("-s", "signature")):
        check += [option, str(tmp_path / name)]
    subprocess.run([*check, "-q", nonce.hex()], check=True, capture_output=True)
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run([*check, "-q", bytes(32).hex()], check=True, capture_output=True)


def test_reads_a_genuine_quote() -> None:
    """Of a TPM elsewhere: what it was asked with, and the digest of the registers that it lists."""
    evidence = json.loads((VECTORS / "tpm" / "tpm_evidence.json").read_text())
    quote = {name: evidence["tpm_quote"][name] for name in ("message", "signature")}
    message, signature = (b64_decode(each) for each in quote.values())
    pcrs = b"".join(bytes.fromhex(each) for each in evidence["tpm_quote"]["pcrs"])
    extra_data, digest = _attested(message)
    assert (len(extra_data), digest) == (64, hashlib.sha256(pcrs).digest())
    key = serialization.load_der_public_key(b64_decode(evidence["ak_public"]))
    key.verify(bare_signature(signature), message, padding.PKCS1v15(), SHA256())


@pytest.mark.parametrize(
    "signature", [b"", b"\0\x18\0\x0b\0\1x", b"\0\x14\0\x0c\0\1x", b"\0\x14\0\x0b\0\1xy"]
)
def test_refuses_another_signature(signature: bytes) -> None:
    """By ECDSA, with another hash, or with something behind it."""
    with pytest.raises(DeviceError):
        bare_signature(signature)


@pytest.mark.parametrize("start", [b"\0\x23", b"\0\1\0\x0b" + bytes(4) + bytes(2) + b"\0\6"])
def test_refuses_another_key(start: bytes) -> None:
    """On a curve, or for encryption."""
    with pytest.raises(DeviceError):
        public_key_info(start + bytes(64))


def test_registers_that_change_while_they_are_quoted(tpm: SoftwareTPM, clock: Any) -> None:
    """Are quoted again, and not without end."""

    class Restless:
        def __init__(self, channel: Any, times: int) -> None:
            self.channel, self.times = channel, times

        def transact(self, command: bytes) -> bytes:
            """Extends a register before each quote."""
            if command[6:10] == b"\0\0\1\x58" and self.times:
                self.times -= 1
                TPM(self.channel, clock).extend_pcr(10, bytes(32))
            return bytes(self.channel.transact(command))

    with tpm.talk() as words:
        quoted = quote_registers(TPM(Restless(words._channel, 4), clock), AK_HANDLE, bytes(32))
        assert words.read_pcrs()[10] == quoted.pcrs[10]
        with pytest.raises(DeviceConflictError):
            quote_registers(TPM(Restless(words._channel, 9), clock), AK_HANDLE, bytes(32))
