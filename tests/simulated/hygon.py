"""A Hygon of our own: root, chips, and the reports that they sign, as bytes and as JSON.

Signs with the textbook's formulas on affine points, apart from the verifier's own arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)

HRK, HSK, PEK, CEK, NOBODY = 0, 0x13, 0x1002, 0x1004, 0x1000
SERIAL = "SIM0001"
MAGIC = b"ATTESTATION_EXT\0"

Point = tuple[int, int] | None


def sm3(data: bytes) -> bytes:
    """The SM3 digest."""
    state = hashes.Hash(hashes.SM3())
    state.update(data)
    return state.finalize()


def plus(left: Point, right: Point) -> Point:
    """The sum of two points; ``None`` is infinity."""
    if left is None or right is None:
        return left or right
    (x1, y1), (x2, y2) = left, right
    if x1 == x2:
        if (y1 + y2) % P == 0:
            return None
        slope = (3 * x1 * x1 + A) * pow(2 * y1, -1, P)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, P)
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def times(number: int, point: Point) -> Point:
    """The multiple of a point."""
    total: Point = None
    while number:
        if number & 1:
            total = plus(total, point)
        point, number = plus(point, point), number >> 1
    return total


@dataclass(frozen=True)
class Key:
    """A key pair, made of its name.

    Attributes:
        name: its user id, too.
        usage: what it is for.
        seed: another makes another key of the same name.
    """

    name: str
    usage: int
    seed: int = 0
    secret: int = field(init=False)
    point: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        secret = int.from_bytes(sm3(f"{self.name} {self.seed}".encode()), "big") % (N - 2) + 1
        object.__setattr__(self, "secret", secret)
        object.__setattr__(self, "point", times(secret, G))

    @property
    def user_id(self) -> bytes:
        """The name that it signs under."""
        return self.name.encode()

    @property
    def key_id(self) -> bytes:
        """What certificates call it; keys of one name share it."""
        return sm3(self.user_id)[:16]

    def identity(self) -> bytes:
        """Z of the standard."""
        numbers = b"".join(each.to_bytes(32, "big") for each in (A, B, *G, *self.point))
        return sm3((8 * len(self.user_id)).to_bytes(2, "big") + self.user_id + numbers)

    def sign(self, message: bytes) -> tuple[int, int]:
        """The signature; its random number is made of key and message."""
        digest = int.from_bytes(sm3(self.identity() + message), "big")
        k = int.from_bytes(sm3(self.secret.to_bytes(32, "big") + message), "big") % (N - 1) + 1
        point = times(k, G)
        assert point is not None
        r = (digest + point[0]) % N
        return r, pow(1 + self.secret, -1, N) * (k - r * self.secret) % N

    def encoded(self) -> bytes:
        """Curve, coordinates, user id."""
        x, y = (each.to_bytes(72, "little") for each in self.point)
        uid = len(self.user_id).to_bytes(2, "little") + self.user_id.ljust(254, b"\0")
        return (3).to_bytes(4, "little") + x + y + uid

    def signature(self, message: bytes) -> bytes:
        """The numbers r and s as Hygon writes them, 144 bytes."""
        return b"".join(each.to_bytes(72, "little") for each in self.sign(message))


def number(value: int, size: int = 4) -> bytes:
    """A little-endian number."""
    return value.to_bytes(size, "little")


def authority(key: Key, issuer: Key) -> bytes:
    """A certificate of a root or of an HSK."""
    names = key.key_id + issuer.key_id
    body = number(1) + names + number(key.usage) + bytes(24) + key.encoded() + bytes(108)
    return body + issuer.signature(body) + bytes(112)


def chip(key: Key, *issuers: Key, usage: int | None = None) -> bytes:
    """A certificate of a CEK or a PEK with one or two signatures.

    Args:
        key: whose.
        issuers: who sign.
        usage: what the slots say that the issuers are; their own otherwise.
    """
    head = number(1) + bytes(4) + number(key.usage) + number(4)
    body = head + key.encoded() + bytes(16 + 608)
    for issuer in issuers:
        said = issuer.usage if usage is None else usage
        body += number(said) + number(4) + issuer.signature(body[:0x414]) + bytes(368)
    return (body + 2 * (number(NOBODY) + bytes(516)))[: 0x414 + 2 * 520]


@dataclass(frozen=True)
class Site:
    """Keys from the root to the platform; replace one to see it refused."""

    hrk: Key = field(default_factory=lambda: Key("SIM-HRK", HRK))
    hsk: Key = field(default_factory=lambda: Key("SIM-HSK", HSK))
    cek: Key = field(default_factory=lambda: Key("SIM-CEK", CEK))
    pek: Key = field(default_factory=lambda: Key("SIM-PEK", PEK))

    @cache  # noqa: B019 - signing is slow, and a test has few sites
    def root(self) -> bytes:
        """The root's certificate."""
        return authority(self.hrk, self.hrk)

    @cache  # noqa: B019 - signing is slow, and a test has few sites
    def pair(self) -> bytes:
        """HSK and CEK, as the vendor serves them."""
        return authority(self.hsk, self.hrk) + chip(self.cek, self.hsk)

    @cache  # noqa: B019 - signing is slow, and a test has few sites
    def platform(self) -> bytes:
        """The PEK's certificate."""
        return chip(self.pek, self.cek)

    def csv_evidence(
        self, report: dict[str, Any], pair: bytes | None = None, pek: bytes | None = None
    ) -> dict[str, Any]:
        """Evidence of a CSV guest, with HSK and CEK in it only when they are given."""
        chain: dict[str, Any] = {"pek": chip_json(self.platform() if pek is None else pek)}
        if pair is not None:
            chain["hsk_cek"] = {"hsk": authority_json(pair[:832]), "cek": chip_json(pair[832:])}
        return {
            "attestation_report": report,
            "cert_chain": chain,
            "serial_number": [*SERIAL.encode().ljust(64, b"\0")],
            "cc_eventlog": None,
        }


def v1_report(
    key: Key, report_data: bytes = b"", *, sig_usage: int = PEK, anonce: bytes = b"\x11\x22\x33\x44"
) -> dict[str, Any]:
    """A masked report of version 1."""
    plain = bytes(64) + report_data.ljust(64, b"\0") + bytes(range(48))
    plain += number(5) + number(sig_usage) + number(4)
    masked = bytes(a ^ b for a, b in zip(plain, anonce * 47, strict=True))
    data = masked + anonce + key.signature(masked[:180])
    return {"magic": [0] * 16, "flags": 0, "data": [*data.ljust(4096, b"\0")]}


def v2_report(
    key: Key,
    report_data: bytes = b"",
    rtmrs: list[bytes] | None = None,
    *,
    sig_usage: int = PEK,
    sig_algo: int = 4,
) -> dict[str, Any]:
    """A report of version 2 with five registers."""
    plain = bytes(64) + report_data.ljust(64, b"\0") + bytes(range(48))
    plain += number(5) + number(sig_usage) + number(sig_algo)
    plain += number(7) + number(1, 2) + bytes(14) + b"".join(rtmrs or [bytes(32)] * 5) + bytes(656)
    data = plain + key.signature(plain)
    return {"magic": [*MAGIC], "flags": 1, "data": [*data.ljust(4096, b"\0")]}


def dcu_report(
    key: Key, user_data: bytes = b"", chip_id: bytes = SERIAL.encode(), measure: bytes = bytes(32)
) -> dict[str, Any]:
    """A report of a DCU."""
    fields = (chip_id.ljust(16, b"\0"), user_data.ljust(64, b"\0"), measure, bytes(128))
    message = number(1) + b"".join(fields) + number(CEK) + number(4)
    signature = key.signature(message)
    names = ("chip_id", "user_data", "measure", "reserved")
    body = {name: [*value] for name, value in zip(names, fields, strict=True)}
    return {
        "body": {"version": 1, **body, "sig_usage": CEK, "sig_algo": 4},
        "sig": {"r": [*signature[:72]], "s": [*signature[72:]]},
    }


def authority_json(data: bytes) -> dict[str, Any]:
    """The JSON of a root's certificate."""
    ids = {"kid": [*data[4:20]], "sid": [*data[20:36]]}
    named = {**ids, "usage": _number(data[36:40]), "reserved": [*data[40:64]]}
    return {
        "body": {
            "preamble": {"ver": _number(data[:4]), "data": named},
            "pubkey": _key_json(data[64:212]),
            "uid_size": _number(data[212:214]),
            "user_id": [*data[214:468]],
            "reserved": [*data[468:576]],
        },
        "signature": {"r": [*data[576:648]], "s": [*data[648:720]]},
        "_reserved": [*data[720:]],
    }


def chip_json(data: bytes) -> dict[str, Any]:
    """The JSON of a chip's certificate."""
    usage, algorithm = _number(data[8:12]), _number(data[12:16])
    return {
        "body": {
            "ver": _number(data[:4]),
            "data": {
                "firmware": {"major": data[4], "minor": data[5]},
                "reserved1": _number(data[6:8]),
                "pubkey": {"usage": usage, "algo": algorithm, "key": _key_json(data[16:164])},
                "uid_size": _number(data[164:166]),
                "user_id": [*data[166:420]],
                "sid": [*data[420:436]],
                "reserved2": [*data[436:1044]],
            },
        },
        "sigs": [_slot_json(data[1044:1564]), _slot_json(data[1564:])],
    }


def _slot_json(data: bytes) -> dict[str, Any]:
    return {
        "usage": _number(data[:4]),
        "algo": _number(data[4:8]),
        "signature": {"r": [*data[8:80]], "s": [*data[80:152]]},
        "_reserved": [*data[152:]],
    }


def _key_json(data: bytes) -> dict[str, Any]:
    return {"g": _number(data[:4]), "x": [*data[4:76]], "y": [*data[76:]]}


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
