"""SoftHSM: a PKCS#11 token in software, as Debian has it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pkcs11

from guest.kms_settings import KMSAccess
from kms_rigs.rig import Credentials, Rig

PIN = "648219"
_PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


def module() -> Path:
    """The library; tests/system-packages brings it."""
    found = [Path(place) for place in _PLACES if Path(place).exists()]
    if not found:
        raise FileNotFoundError("SoftHSM is missing; tests/system-packages installs it")
    return found[0]


@contextmanager
def running(folder: Path) -> Iterator[Rig]:
    """Two tokens: one with three keys, of which two share a name, and one that nobody means."""
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\n")
    # The library reads its place from the environment, once, when it is loaded.
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    for label in ("team", "other"):
        _run("--init-token", "--free", "--label", label, "--so-pin", "1111", "--pin", PIN)
    library = pkcs11.lib(str(module()))
    library.reinitialize()
    with library.get_token(token_label="team").open(rw=True, user_pin=PIN) as session:
        for label, key_id in (("kek", 1), ("kek2", 2), ("twice", 3), ("twice", 4)):
            session.generate_key(
                pkcs11.KeyType.AES, 256, label=label, id=bytes([key_id]), store=True
            )
    good = Credentials(folder / "good", {"credential.json": {"pin": PIN}}).written()
    bad = Credentials(folder / "bad", {"credential.json": {"pin": "0000"}}).written()
    access = KMSAccess(good, module=module())
    yield Rig(
        provider="pkcs11",
        settings={},
        access=access,
        key_id="pkcs11:token=team;object=kek",
        other_key_id="pkcs11:token=team;object=kek2",
        missing_key_id="pkcs11:token=team;object=none",
        annotations={"aad": "app=db"},
        changed=({}, {"aad": "app=other"}, {"aad": ""}, {"iv": "AAAAAAAAAAAAAAAA"}),
        denied=replace(access, folder=bad),
        bad_settings=({"module": "/tmp/mine.so"}, {"pin": PIN}),
        bad_key_ids=(
            "",
            "kek",
            "pkcs11:",
            "pkcs11:token=team",
            "pkcs11:object=kek",
            "pkcs11:token=team;object=",
            "pkcs11:token=team;object=kek;object=kek2",
            "pkcs11:token=team;object=%ff",
            "pkcs11:token=team;object=kek?pin-value=0000",
            "pkcs11:token=team;object=kek;library-description=x",
        ),
        bad_annotations=({"aad": 5}, {"aad": "\n"}, {"iv": "AAAAAAAAAAAAAAAA"}, {"nonce": ""}),
        credentials=(PIN,),
    )


def _run(*arguments: str) -> None:
    subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True)
