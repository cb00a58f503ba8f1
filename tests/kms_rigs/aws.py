"""AWS as moto serves it, with identities, permissions and signatures checked."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from guest.kms_settings import KMSAccess
from kms_rigs.rig import Credentials, Rig, towards

REGION = "eu-west-1"
SECRET_NAME = "app/db/password"
SECRET = "the password of the database"


@contextmanager
def running(folder: Path) -> Iterator[Rig]:
    """Two keys, a secret, one user who may do everything with them and one who may do nothing."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    try:
        _send(url, "reset-auth", b"inf")
        yield _prepare(url, folder)
    finally:
        _send(url, "reset-auth", b"inf")
        server.stop()


def _prepare(url: str, folder: Path) -> Rig:
    kms = _client("kms", url)
    keys = [kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2)]
    kms.create_alias(AliasName="alias/team", TargetKeyId=keys[0])
    secrets = _client("secretsmanager", url)
    secrets.create_secret(Name=SECRET_NAME, SecretString="an older one")
    secrets.put_secret_value(SecretId=SECRET_NAME, SecretString=SECRET)
    secrets.create_secret(Name="binary", SecretBinary=b"\x00\xff")
    allowed, refused = _user(url, "guest", ["kms:*", "secretsmanager:*"]), _user(url, "nobody", [])
    access = KMSAccess(_written(folder / "allowed", allowed), url, timeout_seconds=10.0)
    _send(url, "reset-auth", b"0")
    return Rig(
        provider="aws",
        settings={"region": REGION},
        access=access,
        key_id=keys[0],
        other_key_id=keys[1],
        missing_key_id="00000000-0000-4000-8000-000000000000",
        annotations={"encryption_context": {"app": "db"}},
        changed=(
            {},
            {"encryption_context": {}},
            {"encryption_context": {"app": "other"}},
            {"encryption_context": {"app": "db", "more": ""}},
        ),
        denied=replace(access, folder=_written(folder / "denied", refused)),
        bad_settings=(
            {"region": ...},
            {"region": 5},
            {"region": ""},
            {"region": "eu-west-1.attacker.example/"},
            {"region": "eu-west-1\n"},
            {"endpoint": "https://attacker.example"},
        ),
        bad_key_ids=("", "alias/a b", "alias/\n", "x" * 2049),
        bad_annotations=(
            {"encryption_context": "app=db"},
            {"encryption_context": {"app": 1}},
            {"grant_tokens": []},
        ),
        credentials=tuple(allowed.values()),
        at=towards(access),
    )


def _user(url: str, name: str, actions: list[str]) -> dict[str, str]:
    iam = _client("iam", url)
    iam.create_user(UserName=name)
    if actions:
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {
        "access_key_id": key["AccessKeyId"],
        "secret_access_key": key["SecretAccessKey"],
    }


def _written(folder: Path, members: dict[str, str]) -> Path:
    return Credentials(folder, {"credential.json": members}).written()


def _client(service: str, url: str) -> Any:
    session = boto3.session.Session("set", "up", region_name=REGION)
    return session.client(service, endpoint_url=url)


def _send(url: str, route: str, body: bytes) -> None:
    kind = {"Content-Type": "text/plain"}
    request = urllib.request.Request(f"{url}/moto-api/{route}", body, kind, method="POST")
    urllib.request.urlopen(request).close()
