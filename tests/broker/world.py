"""A Key Broker Service in memory: real domain, real policy engine, fakes outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from fakes import (
    NOON,
    FakeAppraiser,
    FakeClock,
    MemoryAuditLog,
    MemoryDatabase,
    MemoryDecisions,
    MemoryKeys,
    MemoryPolicies,
    MemoryRevisions,
    MemorySecrets,
    MemorySessions,
)
from minting import Mint, ear_claims, tee_key
from policy_keeping import keeping

from app.broker.custody import Custody
from app.broker.handshakes import HandshakeService
from app.broker.issuer_keys import FileKeys
from app.broker.issuers import Issuer, IssuerKind, Issuers
from app.broker.plugins.enabled import Plugins
from app.broker.plugins.resource import PLUGIN
from app.broker.policies import ResourcePolicies
from app.broker.release import Released, ReleaseService
from app.broker.secrets import ResourceID
from app.broker.service import BrokerService
from app.broker.tokens import TokenVerifier
from app.broker.verification_keys import parse_key_set
from app.trust.audit import Actor
from app.trust.regorus_engine import RegorusEngine
from app.trust.sealing import KeyEncryptionKey, Sealer
from app.trust.signing_keys import KeyPurpose
from app.trust.tickets import TicketKeySource, new_ticket_key
from guest.wire.jwe import DEFAULT_ALGORITHMS
from guest.wire.jwk import ECPublicJWK
from guest.wire.messages import Attestation, Request, TEEEvidence

LIFETIME = timedelta(minutes=5)
RECOVERY = timedelta(days=30)
OPERATOR = Actor("ada", "operator")
SECRET = b"correct horse battery staple"
PATH = ("default", "demo", "secret")

ALLOW_AFFIRMING = """package policy
import rego.v1
default allow := false
allow if {
    data.plugin == "resource"
    input.submods.cpu0["ear.status"] == "affirming"
}
"""


@dataclass
class World:
    """A broker, its database, an Attestation Service that signs, and one guest.

    Attributes:
        mint: the key of the Attestation Service.
        guest_key: the guest's private key.
        public_key: its public half.
    """

    db: MemoryDatabase = field(default_factory=MemoryDatabase)
    clock: FakeClock = field(default_factory=FakeClock)
    mint: Mint = field(default_factory=Mint)
    appraiser: FakeAppraiser = field(default_factory=FakeAppraiser)
    sealer: Sealer = field(default_factory=lambda: Sealer([KeyEncryptionKey(b"k" * 32)]))
    algorithms: frozenset[str] = DEFAULT_ALGORITHMS
    guest_key: ec.EllipticCurvePrivateKey = field(init=False)
    public_key: ECPublicJWK = field(init=False)

    def __post_init__(self) -> None:
        self.guest_key, self.public_key = tee_key()
        self.secrets, self.sessions = MemorySecrets(self.db), MemorySessions(self.db)
        self.policy_store, self.engine = MemoryPolicies(self.db), RegorusEngine()
        self.revisions, self.keys = MemoryRevisions(self.db), MemoryKeys(self.db)
        self.decisions = MemoryDecisions(self.db)
        with self.db.transactions():
            self.keys.add(new_ticket_key(self.sealer, KeyPurpose.SESSION, NOON))
        self.policies = ResourcePolicies(
            keeping(self.db, self.policy_store, self.engine, self.clock),
            frozenset({PLUGIN.name, "other"}),
        )
        self.custody = Custody(
            self.secrets,
            self.sealer,
            MemoryAuditLog(self.db),
            self.db.transactions,
            self.clock,
            1024,
            RECOVERY,
            may_reveal=True,
        )
        self.broker = self.new_replica()

    def new_replica(self) -> BrokerService:
        """Another process on the same database."""
        keys = FileKeys(parse_key_set({"keys": [self.mint.jwk()]}))
        issuer = Issuer(name="as", iss="https://as.example", kind=IssuerKind.BUILTIN, keys=keys)
        handshakes = HandshakeService(
            appraiser=self.appraiser,
            sessions=self.sessions,
            decisions=self.decisions,
            tickets=TicketKeySource(self.keys, self.sealer, KeyPurpose.SESSION),
            sealer=self.sealer,
            transactions=self.db.transactions,
            revisions=self.revisions,
            clock=self.clock,
            lifetime=LIFETIME,
            policy_id="default",
        )
        releases = ReleaseService(
            secrets=self.secrets,
            sealer=self.sealer,
            engine=self.engine,
            decisions=self.decisions,
            transactions=self.db.transactions,
            clock=self.clock,
            algorithms=self.algorithms,
        )
        return BrokerService(
            handshakes=handshakes,
            verifier=TokenVerifier(Issuers([issuer])),
            releases=releases,
            policies=self.policies,
            plugins=Plugins([PLUGIN]),
            revisions=self.revisions,
            clock=self.clock,
        )

    def token(self, **changes: Any) -> str:
        """A token for the guest's key."""
        return self.mint.sign({**ear_claims(self.public_key.as_json()), **changes})

    def begin(self) -> tuple[str, str]:
        """Cookie and nonce of a fresh session."""
        begun = self.broker.authenticate(Request("0.4.0", "sample", None))
        return begun.cookie, begun.challenge.nonce

    def attestation(self, nonce: str, **changes: Any) -> Attestation:
        """What the guest answers a challenge with."""
        members = {
            "init_data_toml": None,
            "nonce": nonce,
            "tee_pubkey": self.public_key,
            "evidence": TEEEvidence({"svn": "1"}),
        }
        return Attestation(**{**members, **changes})

    def attested(self) -> str:
        """The cookie of an attested session."""
        cookie, nonce = self.begin()
        self.appraiser.token = self.token()
        self.broker.attest(cookie, self.attestation(nonce))
        return cookie

    def store(self, secret: bytes = SECRET, path: tuple[str, ...] = PATH) -> None:
        """Put a secret in."""
        self.custody.write(ResourceID.of(list(path)), secret, OPERATOR)

    def get(self, **how: Any) -> Released:
        """Ask for the demo secret."""
        members: dict[str, Any] = {
            "cookie": None,
            "bearer": None,
            "plugin": "resource",
            "segments": list(PATH),
            "query": {},
        }
        return self.broker.release(**{**members, **how})


DENIED = {"submods": {"cpu0": {"ear.status": "contraindicated"}}}


def policy(world: World, body: str) -> None:
    """Set a resource policy of these lines."""
    world.policies.set(f"package policy\nimport rego.v1\n{body}\n", OPERATOR)


def submods(key: Any) -> dict[str, Any]:
    """Affirmed, with this for a TEE key."""
    return {"submods": ear_claims(key)["submods"]}
