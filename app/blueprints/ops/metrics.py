"""Metrics in Prometheus' exposition format: the names that Trustee's dashboards know, and ours.

No label carries a path, a name or anything else that a caller chooses freely: label values come
from closed sets (TEE names, reason codes), so their number is bounded and no secret's name leaks.
"""

from __future__ import annotations

import time

from flask import Flask, Response, g, request
from prometheus_client import Counter, Gauge, Histogram

from app.blueprints.errors import REASON_HEADER

HTTP_REQUESTS = Counter("kbs_http_requests", "Requests to the Key Broker Service.")
HTTP_SECONDS = Histogram(
    "kbs_http_request_duration_seconds",
    "Time to answer a request.",
    buckets=(0.0005, 0.001, 0.005, 0.01, 0.05, 0.5, 1),
)
_SIZES = (32, 128, 512, 2048, 8192)
HTTP_REQUEST_BYTES = Histogram("kbs_http_request_size_bytes", "Body sizes.", buckets=_SIZES)
HTTP_RESPONSE_BYTES = Histogram("kbs_http_response_size_bytes", "Answer sizes.", buckets=_SIZES)
HTTP_ACTIVE = Gauge(
    "kbs_http_active_connections", "Requests in flight.", multiprocess_mode="livesum"
)
RESOURCE_READS = Counter("kbs_resource_reads", "Resources asked for.")
RESOURCE_WRITES = Counter("kbs_resource_writes", "Resources written.")
RESOURCE_DELETES = Counter("kbs_resource_deletes", "Resources deleted.")
POLICY_EVALUATIONS = Counter("kbs_policy_evaluations", "Resource policy evaluations.")
POLICY_APPROVALS = Counter("kbs_policy_approvals", "Resource policy said yes.")
POLICY_VIOLATIONS = Counter("kbs_policy_violations", "Resource policy said no.")
POLICY_ERRORS = Counter("kbs_policy_errors", "Resource policy failed.")
AUTH_REQUESTS = Counter("kbs_auth_requests", "Challenges asked for.")
AUTH_SUCCESSES = Counter("kbs_auth_successes", "Challenges issued.")
AUTH_ERRORS = Counter("kbs_auth_errors", "Challenges refused.")
ATTESTATION_REQUESTS = Counter("kbs_attestation_requests", "Attestations asked for.")
ATTESTATION_SUCCESSES = Counter("kbs_attestation_successes", "Attested.", ["tee_type"])
ATTESTATION_FAILURES = Counter("kbs_attestation_failures", "Not attested.", ["tee_type"])
ATTESTATION_ERRORS = Counter("kbs_attestation_errors", "Attestations that failed to be answered.")
REFUSALS = Counter("vouchgate_refusals", "Refused requests by reason code.", ["code"])
TOKENS = Counter("vouchgate_tokens", "Tokens signed for the passport model.", ["tee_type"])


def observe(app: Flask) -> None:
    """Count every request of an application."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()
        HTTP_ACTIVE.inc()

    @app.after_request
    def finish(response: Response) -> Response:
        HTTP_ACTIVE.dec()
        reason = response.headers.get(REASON_HEADER)
        if reason is not None:
            REFUSALS.labels(reason).inc()
        if request.path.startswith("/kbs/"):
            HTTP_REQUESTS.inc()
            HTTP_SECONDS.observe(time.perf_counter() - g.started)
            HTTP_REQUEST_BYTES.observe(request.content_length or 0)
            HTTP_RESPONSE_BYTES.observe(response.calculate_content_length() or 0)
        _count_outcome(request.endpoint, response.status_code, reason)
        return response


def _count_outcome(endpoint: str | None, status: int, reason: str | None) -> None:
    match endpoint:
        case "broker.authenticate":
            AUTH_REQUESTS.inc()
            (AUTH_SUCCESSES if status == 200 else AUTH_ERRORS).inc()
        case "broker.attest":
            ATTESTATION_REQUESTS.inc()
            tee = g.get("tee", "unknown")
            (ATTESTATION_SUCCESSES if status == 200 else ATTESTATION_FAILURES).labels(tee).inc()
            if status >= 500:
                ATTESTATION_ERRORS.inc()
        case "attestation.attest" if status == 200:
            TOKENS.labels(g.get("tee", "unknown")).inc()
        case "broker.read_resource":
            RESOURCE_READS.inc()
            _count_policy(reason)
        case "broker.write_resource" if status == 200:
            RESOURCE_WRITES.inc()
        case "broker.delete_resource" if status == 200:
            RESOURCE_DELETES.inc()
        case _:
            pass


def _count_policy(reason: str | None) -> None:
    outcome = {
        None: POLICY_APPROVALS,
        "resource-not-found": POLICY_APPROVALS,
        "policy-denied": POLICY_VIOLATIONS,
        "policy-failed": POLICY_ERRORS,
    }.get(reason)
    if outcome is not None:
        POLICY_EVALUATIONS.inc()
        outcome.inc()
