"""A Linux of its own (User-mode Linux) that has the device mapper, whatever this machine's has.

It sees this machine's files, read-only, and has disks in its memory. Nothing that is mounted in it
is mounted here, and it needs no privileges.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from repository import ROOT

PROGRAM = "linux.uml"
MODULES = Path("/usr/lib/uml/modules")
# The module of encrypted keys, which dm-crypt needs, asks for cbc(aes) by itself, and xts for ecb.
NEEDED = ("cbc", "ecb", "dm-crypt", "dm-integrity", "loop", "xts", "hmac", "authenc")
PATIENCE_SECONDS = 300


def run_in_it(script: Path, folder: Path) -> str:
    """Run a Python script as root of a fresh Linux; what it printed.

    Args:
        script: which finds the packages of this repository.
        folder: the only one that it may write to; it gets its path as an argument.
    """
    init = folder / "init"
    init.write_text(_init(script, folder))
    init.chmod(0o755)
    command = [PROGRAM, "mem=384M", "root=/dev/root", "rootfstype=hostfs", "ro", f"init={init}"]
    command += ["con=null", "con0=null,fd:1", "quiet", f"uml_dir={folder}"]
    subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    said = folder / "said"
    assert said.exists(), f"{PROGRAM} did not start; it comes with the package user-mode-linux"
    return said.read_text()


def _init(script: Path, folder: Path) -> str:
    loads = "\n".join(f"insmod {path} 2>/dev/null" for path in _modules())
    path = f"{ROOT}:{ROOT / 'tests'}"
    return f"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH={path} PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t hostfs none {folder} -o {folder}
{loads}
cd /run
{sys.executable} {script} {folder} >{folder}/said 2>&1
sync
echo o >/proc/sysrq-trigger
sleep 60
"""


def _modules() -> list[Path]:
    """Files of the modules, each behind those that it depends on."""
    (release,) = MODULES.iterdir()
    depends: dict[str, list[str]] = {}
    for line in (release / "modules.dep").read_text().splitlines():
        name, _, others = line.partition(":")
        depends[name] = others.split()
    names = {Path(path).stem: path for path in depends}
    ordered: list[str] = []
    for needed in NEEDED:
        # modules.dep has those that come first at the end of the line.
        ordered += [*reversed(depends[names[needed]]), names[needed]]
    return [release / path for path in dict.fromkeys(ordered)]
