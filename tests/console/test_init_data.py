"""Init data taken apart and composed."""

from __future__ import annotations

import base64
import gzip
import hashlib
import tomllib

import pytest

from app.console.inspection.composer import InitDataDraft, compose
from app.console.inspection.init_data import (
    inspect_init_data,
    kata_annotation,
    launch_fields,
)
from app.trust.errors import MalformedInitDataError

DOCUMENT = 'version = "0.1.0"\nalgorithm = "sha384"\n\n[data]\n"aa.toml" = "x = 1"\n'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version = 1",
        DOCUMENT.replace("sha384", "sha-384"),
        DOCUMENT.replace("[data]", "[dat]"),
        "x" * 600_000,
        base64.b64encode(gzip.compress(b"x" * 300_000, mtime=0)).decode(),
        base64.b64encode(gzip.compress(DOCUMENT.encode(), mtime=0)[:-9]).decode(),
        base64.b64encode(gzip.compress(b"\xff\xfe", mtime=0)).decode(),
        base64.b64encode(b"\x1f\x8bno gzip").decode(),
    ],
)
def test_what_is_no_document_is_refused(text: str) -> None:
    """Also in the form of an annotation, however far it would unpack."""
    with pytest.raises(MalformedInitDataError):
        inspect_init_data(text)


def test_the_digest_is_fitted_to_each_field() -> None:
    """Cut where the field is shorter, padded where it is longer, told where it does not fit."""
    value = hashlib.sha384(DOCUMENT.encode()).digest()
    fields = {each.tees: each for each in launch_fields(value)}
    assert fields["snp"].value == value[:32].hex()
    assert fields["tdx"].value == value.hex()
    assert fields["sgx"].value == value.hex() + "00" * 16
    assert fields["cca"].value == ""
    assert fields["az-snp-vtpm, az-tdx-vtpm, tpm"].value == ""


def test_the_register_is_extended_from_zero() -> None:
    """The vector of wire.md 2.8: SHA-256 of "demo", extended into PCR 8."""
    fields = {each.tees: each for each in launch_fields(hashlib.sha256(b"demo").digest())}
    register = fields["az-snp-vtpm, az-tdx-vtpm, tpm"].value
    assert register == "03eef5eb42735d3f6a062279dd1237b27e063ecdb10a60e1d0f997f5a92ed3df"
    assert str(fields["snp"].note) == "as it is"


def test_a_long_digest_fits_arm() -> None:
    """SHA-512 is what a realm's personalization value takes, and SEV-SNP cuts it."""
    fields = {each.tees: each for each in launch_fields(bytes(range(64)))}
    assert fields["cca"].value == bytes(range(64)).hex()
    assert str(fields["snp"].note) == "cut to its first 32 bytes"


def test_the_annotation_is_the_document() -> None:
    """Base64 of gzip, the same each time; and taken apart it is the same document."""
    annotation = kata_annotation(DOCUMENT)
    assert annotation == kata_annotation(DOCUMENT)
    assert gzip.decompress(base64.b64decode(annotation)).decode() == DOCUMENT
    report = inspect_init_data(annotation)
    assert report.document.text == DOCUMENT
    assert report.digests["sha384"] == hashlib.sha384(DOCUMENT.encode()).hexdigest()


def test_what_may_surprise_is_told() -> None:
    """A digest that is cut, an agent without configuration, no policy, another version."""
    remarks = " ".join(map(str, inspect_init_data(DOCUMENT.replace("0.1.0", "9")).remarks))
    for word in ("0.1.0", "cut to 32", "cdh.toml", "policy.rego"):
        assert word in remarks


@pytest.mark.parametrize(
    "change",
    [
        {"kbs_url": ""},
        {"kbs_url": "kbs.example"},
        {"kbs_url": 'https://kbs.example/"\n[x]'},
        {"as_url": "ftp://as.example"},
        {"certificate": "no PEM"},
        {"algorithm": "md5"},
        {"image_policy_uri": "https://x.example"},
        {"registry_credentials_uri": "kbs://"},
    ],
)
def test_what_cannot_be_composed_is_refused(change: dict[str, str]) -> None:
    """No input breaks out of its place in the document."""
    with pytest.raises(MalformedInitDataError):
        compose(InitDataDraft(**({"kbs_url": "https://kbs.example"} | change)))


@pytest.mark.parametrize(
    "policy",
    [
        "package agent_policy\n\ndefault AllowRequestsFailingPolicy := false\n",
        "# '''\nx := \"a\"\n",
        "# ''' and \"\"\" and \\\n",
        "ends with a quote '",
        "tab\tand ünïcode\n",
    ],
)
def test_every_file_is_read_again_as_it_was(policy: str) -> None:
    """Whatever quotes a policy holds."""
    draft = InitDataDraft(
        kbs_url="https://kbs.example:8443",
        as_url="https://as.example",
        image_policy_uri="kbs:///default/security-policy/main",
        agent_policy=policy,
    )
    files = compose(draft).document.data
    assert files["policy.rego"] == policy
    aa, cdh = tomllib.loads(files["aa.toml"]), tomllib.loads(files["cdh.toml"])
    assert aa["token_configs"]["kbs"]["url"] == "https://kbs.example:8443"
    assert aa["token_configs"]["coco_as"]["url"] == "https://as.example"
    assert cdh["kbc"] == {"name": "cc_kbc", "url": "https://kbs.example:8443"}
    assert cdh["image"]["image_security_policy_uri"] == "kbs:///default/security-policy/main"
