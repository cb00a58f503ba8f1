"""Single faults, one at a time in a setting that is otherwise right, and what is to blame for each.

``python tests/fault_table.py`` injects all of them and prints how often the blame stood first, and
whether doing what was offered first gave the guest its secret.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fault_site import (
    AUTHOR,
    SECRET_PATH,
    FaultSite,
    Machine,
    az_snp,
    az_tdx,
    cca,
    csv,
    sample,
    se,
    sgx,
    snp,
    tdx,
    tpm,
    with_dcu,
    with_dpu,
    with_gpu,
)

from app.broker.secrets import ResourceID
from app.console.explanations import Explanation
from app.console.remedies import (
    GuestRemedy,
    PolicyRemedy,
    ReferenceValueRemedy,
    Remedy,
    RollBack,
    SecretRemedy,
)

Blame = tuple[str, str]
_HEAD = "package policy\n\nimport rego.v1\n\ndefault allow := false\n\n"
_EVIDENCE = 'input.submods.cpu0["ear.veraison.annotated-evidence"]'


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        name: tells the faults apart.
        machine: the guest that does not get its secret.
        inject: makes the fault, when it is not the guest itself.
        blame: what has to stand first: a reference value by name, a condition by its text, a
            secret by its path, a policy by its id.
        mended: the guest as it should be, where the guest is at fault.
        path: that the guest asks for.
        mended_path: what it should ask for.
        retry: how else it should have come.
        without: reference values that are not registered.
    """

    name: str
    machine: Callable[[], Machine]
    blame: Blame
    inject: Callable[[FaultSite], None] = lambda _: None
    mended: Callable[[], Machine] | None = None
    path: str = SECRET_PATH
    mended_path: str | None = None
    retry: Callable[[FaultSite], Any] | None = None
    without: frozenset[str] = field(default_factory=frozenset)


def missing(machine: Callable[[], Machine], name: str, label: str) -> Fault:
    """A reference value that nobody registered."""
    return Fault(f"{label}: {name} is missing", machine, ("value", name), without=frozenset({name}))


def differs(
    machine: Callable[[], Machine],
    name: str,
    value: Any,
    label: str,
    mended: Callable[[], Machine] | None = None,
) -> Fault:
    """A reference value that is another."""
    return Fault(
        f"{label}: {name} is {str(value)[:20]}",
        machine,
        ("value", name),
        lambda site: site.register({name: value}),
        mended,
    )


def expired(machine: Callable[[], Machine], name: str, label: str) -> Fault:
    """A reference value that was right, once."""
    return Fault(
        f"{label}: {name} has expired",
        machine,
        ("value", name),
        lambda site: site.expire(name, machine().values[name]),
    )


def policy(
    label: str,
    body: str,
    condition: str,
    *,
    mended_path: str | None = None,
    machine: Callable[[], Machine] = sample,
    mended: Callable[[], Machine] | None = None,
    retry: Callable[[FaultSite], Any] | None = None,
) -> Fault:
    """A resource policy with one condition that does not hold."""
    return Fault(
        f"resource policy: {label}",
        machine,
        ("condition", condition),
        lambda site: site.set_policy(_HEAD + body),
        mended,
        mended_path=mended_path,
        retry=retry,
    )


def scoped(label: str, scope: str, text: str, blame: str, **more: Any) -> Fault:
    """A policy for a part of the resources that says no where the global one says yes."""
    head = "package policy\n\nimport rego.v1\n\n"
    policy_id = f"scope:{scope}"
    return Fault(
        f"scoped policy: {label}",
        sample,
        ("condition", blame),
        lambda site: site.set_scoped_policy(head + text, policy_id),
        **more,
    )


def attestation_policy(
    label: str,
    text: str,
    blame: Blame,
    machine: Callable[[], Machine] = sample,
    mended: Callable[[], Machine] | None = None,
    **values: Any,
) -> Fault:
    """An attestation policy with one condition that does not hold, under some values."""

    def inject(site: FaultSite) -> None:
        site.register(values)
        site.set_policy(head + text + tail, "default_cpu")

    head = "package policy\n\nimport rego.v1\n\ndefault hardware := 97\n\n"
    tail = '\ntrust_claims := {"hardware": hardware}\n'
    return Fault(
        f"attestation policy: {label}",
        machine,
        blame,
        inject,
        mended,
    )


OTHER = (bytes(47) + b"\1").hex()
SAMPLE = [
    *(missing(sample, name, "sample") for name in sample().values),
    differs(sample, "launch_digest", ["another"], "sample"),
    differs(sample, "svn", ["7"], "sample"),
    differs(sample, "svn", [], "sample"),
    differs(sample, "major_version", 2, "sample"),
    expired(sample, "launch_digest", "sample"),
    expired(sample, "svn", "sample"),
]
SNP = [
    *(missing(snp, name, "snp") for name in snp().values),
    differs(snp, "snp_launch_measurement", [OTHER], "snp"),
    differs(snp, "snp_bootloader", [3], "snp"),
    differs(snp, "snp_tee_svn", [7], "snp", lambda: snp({"tee": 7})),
    differs(snp, "snp_smt_enabled", False, "snp"),
    differs(snp, "snp_guest_abi_minor", 31, "snp"),
    expired(snp, "snp_launch_measurement", "snp"),
    Fault(
        "snp: another image",
        lambda: snp(measurement=bytes(48)),
        ("value", "snp_launch_measurement"),
    ),
    Fault(
        "snp: debugging is allowed",
        lambda: snp(policy=0x30000 | 1 << 19),
        ("condition", "input.snp.policy_debug_allowed == false"),
        mended=snp,
    ),
    Fault(
        "snp: migration is allowed",
        lambda: snp(policy=0x30000 | 1 << 18),
        ("condition", "input.snp.policy_migrate_ma == false"),
        mended=snp,
    ),
]
INTEL = [
    *(missing(tdx, name, "tdx") for name in tdx().values),
    differs(tdx, "mr_td", [OTHER], "tdx"),
    differs(tdx, "rtmr_2", [OTHER], "tdx"),
    expired(tdx, "rtmr_1", "tdx"),
    Fault(
        "tdx: debugging is on",
        lambda: tdx(attributes=bytes.fromhex("0100001000000000")),
        ("condition", "input.tdx.td_attributes.debug == false"),
        mended=tdx,
    ),
    Fault(
        "tdx: the TCB is out of date",
        lambda: tdx(tcb_svn=bytes(16)),
        ("condition", 'claims.tcb_status == "UpToDate"'),
        mended=tdx,
    ),
    missing(sgx, "mr_enclave", "sgx"),
    differs(sgx, "mr_enclave", ["00" * 32], "sgx"),
    *(missing(az_tdx, name, "az-tdx-vtpm") for name in ("mr_td", "tdx_pcr11")),
]
AZURE_AND_TPM = [
    *(
        missing(az_snp, name, "az-snp-vtpm")
        for name in ("measurement", "snp_pcr11", "tcb_snp", "smt_enabled", "abi_major")
    ),
    differs(az_snp, "tcb_microcode", ["218"], "az-snp-vtpm"),
    Fault(
        "az-snp-vtpm: debugging is allowed",
        lambda: az_snp(policy=0x30000 | 1 << 19),
        ("condition", 'az_snp.policy_debug_allowed == "false"'),
        mended=az_snp,
    ),
    *(missing(tpm, name, "tpm") for name in tpm().values),
    differs(tpm, "tpm_pcr11", ["00" * 32], "tpm"),
]
DEVICES = [
    *(
        missing(with_gpu, name, "gpu")
        for name in ("gpu_fwids", "gpu_measurements", "allowed_driver_versions")
    ),
    differs(with_gpu, "gpu_measurements", {"1": ["00"], "2": ["00"]}, "gpu"),
    missing(with_gpu, "launch_digest", "gpu"),
]
ACCELERATORS = [
    *(
        missing(with_dcu, name, "dcu")
        for name in ("dcu_chip_ids", "dcu_measures", "dcu_report_versions")
    ),
    differs(with_dcu, "dcu_measures", ["11" * 32], "dcu"),
    differs(with_dcu, "dcu_report_versions", [2], "dcu"),
    expired(with_dcu, "dcu_chip_ids", "dcu"),
    Fault(
        "dcu: another image",
        lambda: with_dcu(b"\1" * 32),
        ("value", "dcu_measures"),
    ),
    *(
        missing(with_dpu, name, "dpu")
        for name in ("dpu_device_classes", "dpu_accumulated_fwids", "dpu_firmware_layers_counts")
    ),
    differs(with_dpu, "dpu_accumulated_fwids", ["00" * 48], "dpu"),
    differs(with_dpu, "dpu_firmware_layers_counts", [4], "dpu"),
    expired(with_dpu, "dpu_device_classes", "dpu"),
]
RESOURCE_POLICIES = [
    policy(
        "another repository",
        'allow if data["resource-path"][0] == "prod"\n',
        'data["resource-path"][0] == "prod"',
        mended_path="prod/demo/secret",
    ),
    policy(
        "one of several repositories",
        'allow if data["resource-path"][0] in {"prod", "stage"}\n',
        'data["resource-path"][0] in {"prod", "stage"}',
        mended_path="prod/demo/secret",
    ),
    policy(
        "a tag that begins otherwise",
        'allow if startswith(data["resource-path"][2], "key-")\n',
        'startswith(data["resource-path"][2], "key-")',
    ),
    policy(
        "a type that is barred",
        'allow if not data["resource-path"][1] == "demo"\n',
        'not data["resource-path"][1] == "demo"',
    ),
    policy(
        "another plugin",
        'allow if data.plugin == "pkcs11"\n',
        'data.plugin == "pkcs11"',
    ),
    policy(
        "a query",
        'allow if data.query.env == "prod"\n',
        'data.query.env == "prod"',
        mended_path=f"{SECRET_PATH}?env=prod",
    ),
    policy(
        "another issuer",
        'allow if input.iss == "https://other.example"\n',
        'input.iss == "https://other.example"',
        retry=lambda site: site.with_token(site.elsewhere()),
    ),
    policy(
        "another TEE",
        f"allow if {{\n\tev := {_EVIDENCE}\n\tev.snp.policy_debug_allowed == false\n}}\n",
        "ev.snp.policy_debug_allowed == false",
        mended=snp,
    ),
    policy(
        "another measurement",
        f'allow if {_EVIDENCE}.snp.measurement == "{OTHER}"\n',
        f'{_EVIDENCE}.snp.measurement == "{OTHER}"',
        machine=snp,
        mended=lambda: snp(measurement=bytes.fromhex(OTHER)),
    ),
    policy(
        "newer firmware",
        f"allow if {_EVIDENCE}.snp.reported_tcb_snp >= 25\n",
        f"{_EVIDENCE}.snp.reported_tcb_snp >= 25",
        machine=snp,
        mended=lambda: snp({"snp": 25}),
    ),
    policy(
        "a better trust claim than the default policies give",
        'allow if {\n\tvector := input.submods.cpu0["ear.trustworthiness-vector"]\n'
        "\tvector.executables == 2\n}\n",
        "vector.executables == 2",
    ),
    policy(
        "two parts of the guest",
        "allow if count(input.submods) == 2\n",
        "count(input.submods) == 2",
    ),
    policy(
        "a function of its own",
        "allow if trusted(input.submods.cpu0)\n\n"
        'trusted(part) if {\n\tpart["ear.status"] == "affirming"\n'
        '\tpart["ear.appraisal-policy-id"] == "strict"\n}\n',
        'part["ear.appraisal-policy-id"] == "strict"',
        retry=lambda site: site.with_policy(sample(), "strict"),
    ),
    policy(
        "a rule of its own, behind an else",
        'allow if level >= 2\n\nlevel := 3 if data["resource-path"][0] == "public"\nelse := 1\n',
        'data["resource-path"][0] == "public"',
        mended_path="public/demo/secret",
    ),
    policy(
        "every part of the guest",
        "allow if every _, part in input.submods {\n"
        '\tpart["ear.veraison.annotated-evidence"].sample.svn == "9"\n}\n',
        'part["ear.veraison.annotated-evidence"].sample.svn == "9"',
        mended=lambda: sample(svn="9"),
    ),
    policy(
        "a denylist",
        f'allow if not {_EVIDENCE}.sample.svn in {{"0", "1"}}\n',
        f'not {_EVIDENCE}.sample.svn in {{"0", "1"}}',
    ),
]
SCOPED_POLICIES = [
    scoped(
        "denied below a scope",
        "resource:default",
        'deny if data["resource-path"][2] == "secret"\n',
        'data["resource-path"][2] == "secret"',
    ),
    scoped(
        "the narrowest allows less",
        "resource:default:demo",
        'allow if input.submods.cpu0["ear.appraisal-policy-id"] == "strict"\n',
        'input.submods.cpu0["ear.appraisal-policy-id"] == "strict"',
        retry=lambda site: site.with_policy(sample(), "strict"),
    ),
    scoped(
        "denied by a set of reasons",
        "resource:default",
        'deny contains "not today" if input.iss != "https://other.example"\n',
        'input.iss != "https://other.example"',
    ),
]
ATTESTATION_POLICIES = [
    attestation_policy(
        "a literal",
        'hardware := 2 if input.sample.svn == "2"\n',
        ("condition", 'input.sample.svn == "2"'),
        mended=lambda: sample(svn="2"),
    ),
    attestation_policy(
        "a reference value without a helper",
        'hardware := 2 if input.snp.measurement in query_reference_value("images")\n',
        ("value", "images"),
        snp,
    ),
    attestation_policy(
        "a reference value by a name of its own",
        'hardware := 2 if {\n\texpected := query_reference_value("image")\n'
        "\tinput.snp.measurement == expected\n}\n",
        ("value", "image"),
        snp,
    ),
    attestation_policy(
        "a least version",
        'hardware := 2 if input.snp.reported_tcb_snp >= query_reference_value("least")\n',
        ("value", "least"),
        snp,
        lambda: snp({"snp": 25}),
        least=25,
    ),
    attestation_policy(
        "a number that is too high",
        "hardware := 2 if input.snp.reported_tcb_microcode >= 220\n",
        ("condition", "input.snp.reported_tcb_microcode >= 220"),
        snp,
        lambda: snp({"microcode": 220}),
    ),
    Fault(
        "attestation policy: nothing is ever affirmed",
        sample,
        ("policy", "default_cpu"),
        lambda site: site.set_policy(
            'package policy\n\ntrust_claims := {"hardware": 97}\n', "default_cpu"
        ),
    ),
    Fault(
        "resource policy: nothing is ever allowed",
        sample,
        ("policy", "resource-policy"),
        lambda site: site.set_policy(
            "package policy\n\nimport rego.v1\n\ndefault allow := false\n"
        ),
    ),
]


_RIM = 'input.cca.realm["cca-realm-initial-measurement"]'
_HASH = 'input.cca.realm["cca-realm-hash-algo-id"]'
# No default policy judges these; the operator writes one.
OF_OWN_POLICIES = [
    attestation_policy(
        "a realm's image that nobody registered",
        f'hardware := 2 if {_RIM} in query_reference_value("realms")\n',
        ("value", "realms"),
        cca,
    ),
    attestation_policy(
        "a realm's image that is another",
        f'hardware := 2 if {_RIM} in query_reference_value("realms")\n',
        ("value", "realms"),
        cca,
        realms=["AAAA"],
    ),
    attestation_policy(
        "a realm that hashes otherwise",
        f'hardware := 2 if {_HASH} == "sha-256"\n',
        ("condition", f'{_HASH} == "sha-256"'),
        cca,
        lambda: cca(l44236="sha-256"),
    ),
    attestation_policy(
        "a CSV guest's image that nobody registered",
        'hardware := 2 if input.csv.measure in query_reference_value("guests")\n',
        ("value", "guests"),
        csv,
    ),
    attestation_policy(
        "a CSV guest's image that is another",
        'hardware := 2 if input.csv.measure == query_reference_value("guest")\n',
        ("value", "guest"),
        csv,
        guest="00",
    ),
    attestation_policy(
        "an old report of CSV",
        'hardware := 2 if input.csv.version == "2"\n',
        ("condition", 'input.csv.version == "2"'),
        csv,
        lambda: csv(2),
    ),
    attestation_policy(
        "a mainframe's image that nobody registered",
        'hardware := 2 if input.se.tag in query_reference_value("images")\n',
        ("value", "images"),
        se,
    ),
    attestation_policy(
        "a mainframe's image that is another",
        'hardware := 2 if input.se.tag == query_reference_value("image")\n',
        ("value", "image"),
        se,
        image="00" * 16,
    ),
]


def _delete_secret(site: FaultSite) -> None:
    with site.app.app_context():
        site.services.custody.delete(ResourceID.of(SECRET_PATH.split("/")), AUTHOR)


SECRETS = [
    Fault(
        "secret: never written", sample, ("secret", "default/demo/typo"), path="default/demo/typo"
    ),
    Fault("secret: never written, other repository", snp, ("secret", "app/x/y"), path="app/x/y"),
    Fault("secret: deleted", sample, ("secret", SECRET_PATH), _delete_secret),
]

FAULTS: list[Fault] = [
    *SAMPLE,
    *SNP,
    *INTEL,
    *AZURE_AND_TPM,
    *DEVICES,
    *ACCELERATORS,
    *RESOURCE_POLICIES,
    *SCOPED_POLICIES,
    *ATTESTATION_POLICIES,
    *OF_OWN_POLICIES,
    *SECRETS,
]


@dataclass(frozen=True)
class Found:
    """What came of one fault.

    Attributes:
        is_refused: whether the guest was refused at all.
        is_first: whether what is to blame stood first.
        is_mended: whether doing what was offered first gave the guest its secret.
    """

    why: Explanation
    is_refused: bool
    is_first: bool
    is_mended: bool


def inject(site: FaultSite, fault: Fault) -> Found:
    """Make a fault, have the guest refused, do what is offered first, and try again."""
    values = {n: v for n, v in fault.machine().values.items() if n not in fault.without}
    if fault.mended is not None:
        values = {n: v for n, v in fault.mended().values.items() if n not in fault.without}
    site.reset(values)
    fault.inject(site)
    refused = site.fetch(fault.machine(), fault.path)
    is_refused = refused.status_code in (403, 404)
    _, why = site.explain(refused)
    is_first = bool(why.ways) and any(_is_blamed(r, fault.blame) for r in why.ways[0].remedies)
    is_mended = bool(why.ways) and _is_mended(site, fault, why)
    return Found(why, is_refused, is_first, is_mended)


def _is_mended(site: FaultSite, fault: Fault, why: Explanation) -> bool:
    machine, path = fault.machine, fault.path
    if fault.retry is not None:
        return bool(fault.retry(site).status_code == 200)
    if any(isinstance(each, GuestRemedy) for each in why.ways[0].remedies):
        # The guest's own doing: the guest as it should be, or another path.
        machine, path = fault.mended or machine, fault.mended_path or path
        if fault.mended_path is not None:
            with site.app.app_context():
                resource_id = ResourceID.of(path.partition("?")[0].split("/"))
                site.services.custody.write(resource_id, b"elsewhere", AUTHOR)
        if fault.mended is None and fault.mended_path is None:
            return False
    elif not site.carry_out(why):
        return False
    return bool(site.fetch(machine(), path).status_code == 200)


def _is_blamed(remedy: Remedy, blame: Blame) -> bool:
    kind, name = blame
    if isinstance(remedy, ReferenceValueRemedy):
        return kind == "value" and remedy.name == name
    if isinstance(remedy, RollBack):
        return kind == "policy" and remedy.policy_id == name
    if isinstance(remedy, SecretRemedy):
        return kind == "secret" and remedy.path == name
    if isinstance(remedy, GuestRemedy | PolicyRemedy):
        asked = (kind, name) == ("condition", remedy.place.text)
        return asked or (kind == "value" and f'"{name}"' in remedy.place.text)
    return False


def main() -> int:
    """Inject every fault and print what was found; exit status 1 below 95 percent."""
    from app.console.remedy_texts import told

    with tempfile.TemporaryDirectory() as folder:
        site = FaultSite(Path(folder))
        first = mended = 0
        for fault in FAULTS:
            found = inject(site, fault)
            first, mended = first + found.is_first, mended + found.is_mended
            mark = "ok  " if found.is_first and found.is_mended else "MISS"
            print(f"{mark} {fault.name}")
            if mark == "MISS":
                print(f"     first {found.is_first}, mended {found.is_mended}, {fault.blame}")
                for way in found.why.ways[:3]:
                    print(f"     - {' '.join(str(told(each)) for each in way.remedies)}")
        site.close()
    count = len(FAULTS)
    print(f"{count} faults: to blame first {first} ({first / count:.1%}), mended {mended}")
    return 0 if first >= 0.95 * count else 1


if __name__ == "__main__":
    sys.exit(main())
