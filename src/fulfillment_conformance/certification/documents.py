"""What an archive says in its own words: all of it made of the results, the product and the installation.

Whoever verifies makes it again from the same and compares the bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fulfillment_conformance.catalogue import RequirementSet
from fulfillment_conformance.certification.readiness import ids_of
from fulfillment_conformance.outcome import Outcome
from fulfillment_conformance.product import Product
from fulfillment_conformance.report.results import ReportedRequirement, RunResults

NOTICE = (
    "This is evidence of readiness, recorded by fulfillment-conformance. It is not a certification by Microsoft, and "
    "Microsoft has had no part in it. Microsoft certifies offers itself, by its own rules."
)
"""Said in the archive and on the terminal, word for word."""

UNSIGNED = "NOT SIGNED: whoever can change this archive can also make its checksums fit. Only a signature tells."

README, CERTIFICATE, SUMS, STATEMENT = "README.txt", "certificate.json", "SHA256SUMS", "statement.json"
ENVELOPE, PUBLIC_KEY = "statement.dsse.json", "public-key.pem"

FORMAT = 1
"""Version of the archive's form."""

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What an archive says besides the results of its run.

    Attributes:
        product: what was judged, in the publisher's words.
        digests: folder of the suite -> SHA-256.
        compression: version of zlib.
        signer: fingerprint of the public key, None for an archive that is not signed.
    """

    product: Product
    digests: Mapping[str, str]
    compression: str
    signer: str | None

    @classmethod
    def from_certificate(cls, data: Mapping[str, Any]) -> "Circumstances":
        """Read them from `certificate.json`."""
        return cls(
            product=Product.model_validate(data["product"]),
            digests={str(name): str(digest) for name, digest in data["suite"]["digests"].items()},
            compression=str(data["compression"]),
            signer=None if data["signed_by"] is None else str(data["signed_by"]),
        )


def certificate(results: RunResults, chosen: RequirementSet, about: Circumstances) -> dict[str, Any]:
    """Return the content of `certificate.json`."""
    required, reported = ids_of(chosen, results.role)
    return {
        "format": FORMAT,
        "notice": NOTICE,
        "product": about.product.model_dump(mode="json"),
        "role": results.role,
        "verdict": results.verdict.value,
        "exit_code": results.exit_code,
        "set": {"name": chosen.name, "date": chosen.date.isoformat(), "about": chosen.about},
        "profile": results.profile,
        "claims": results.target.get("claims"),
        "target": dict(results.target),
        "required": _part(results, required),
        "reported": _part(results, reported),
        "counts": dict(results.counts),
        "run": results.run,
        "seed": results.seed,
        "started": results.started.isoformat(),
        "finished": results.finished.isoformat(),
        "suite": {**results.suite, "digests": dict(about.digests)},
        "compression": about.compression,
        "signed_by": about.signer,
    }


def _part(results: RunResults, ids: tuple[str, ...] | Any) -> dict[str, Any]:
    """Return how many of these passed, and each that did not, with its reason."""
    chosen = [one for one in results.requirements if one.id in set(ids)]
    others: dict[str, dict[str, str]] = {}
    for one in chosen:
        if one.outcome is not Outcome.PASSED:
            others.setdefault(one.kind, {})[one.id] = _why(one)
    passed = sum(one.outcome is Outcome.PASSED for one in chosen)
    return {"number": len(chosen), "passed": passed, **others}


def _why(one: ReportedRequirement) -> str:
    found = one.findings
    return one.result.reason or (f"expected {found[0].expected}; came {found[0].actual}" if found else "")


def readme(results: RunResults, chosen: RequirementSet, about: Circumstances) -> str:
    """Return the content of `README.txt`."""
    said = certificate(results, chosen, about)
    product, required, reported = about.product, said["required"], said["reported"]
    lines = [
        "Evidence of readiness for the Azure Marketplace SaaS Fulfillment API v2",
        "",
        NOTICE,
        "",
        f"Publisher   {product.publisher}",
        f"Offer       {product.offer}",
        f"Version     {product.version}",
        f"Contact     {product.contact}",
        "",
        f"Judged      the {results.role}, by the set {chosen.name} of {chosen.date.isoformat()},",
        f"            profile {results.profile}, seed {results.seed}, run {results.run}",
        f"When        {results.started:%Y-%m-%d %H:%M:%S} to {results.finished:%H:%M:%S} UTC",
        f"By          {results.suite['name']} {results.suite['version']}",
        f"Verdict     {results.verdict}",
        f"Required    {_counted(required)}",
        f"Reported    {_counted(reported)}",
        f"Signed      {f'by the key {about.signer}' if about.signer else UNSIGNED}",
        "",
        "Claims      what is not claimed is not asked",
        *_claims(said["claims"]),
    ]
    for title, part in (("Required", required), ("Reported", reported)):
        for kind, reasons in part.items():
            if isinstance(reasons, dict):
                lines += ["", f"{title} and {kind}:", *(f"  {name}  {_one_line(why)}" for name, why in reasons.items())]
    lines += [
        "",
        "Files",
        "  certificate.json      the same for programs",
        "  results.json          every requirement, test and check",
        "  exchanges.jsonl       the recorded HTTP that they rest on, without secrets",
        "  report.html           the report for people; the other outputs stand beside it",
        f"  {SUMS}            checksums; `sha256sum -c {SUMS}` compares them",
        f"  {STATEMENT}        in-toto statement about these files",
        *([f"  {ENVELOPE}   the same, signed (DSSE), by {PUBLIC_KEY}"] if about.signer else []),
        "",
        "Derive everything again, without a network:  fulfillment-conformance verify ARCHIVE --key PUBLIC.pem",
    ]
    return "\n".join(lines) + "\n"


def _counted(part: Mapping[str, Any]) -> str:
    others = [f"{len(ids)} {kind}" for kind, ids in part.items() if isinstance(ids, dict)]
    return ", ".join([f"{part['number']}: {part['passed']} passed", *others])


def _claims(claims: Mapping[str, Any] | None) -> list[str]:
    if claims is None:
        return ["  none: a marketplace makes none"]
    return [f"  {name}: {json.dumps(value)}" for name, value in claims.items()]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def sums(files: Mapping[str, bytes]) -> str:
    """Return the content of `SHA256SUMS` for these files."""
    return "".join(f"{digest(content)}  {name}\n" for name, content in files.items())


def statement(
    results: RunResults, chosen: RequirementSet, about: Circumstances, files: Mapping[str, bytes]
) -> dict[str, Any]:
    """Return the in-toto statement about these files, as Test Result: https://github.com/in-toto/attestation."""
    said = certificate(results, chosen, about)
    by_kind: dict[str, list[str]] = {}
    for one in results.requirements:
        by_kind.setdefault(one.kind, []).append(one.id)
    warned = by_kind.get("warning", [])
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": digest(content)}} for name, content in files.items()],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": "FAILED" if by_kind.get("failed") else "WARNED" if warned else "PASSED",
            "configuration": [
                {"name": name, "digest": {"sha256": value}} for name, value in sorted(about.digests.items())
            ],
            "passedTests": by_kind.get("passed", []),
            "warnedTests": warned,
            "failedTests": by_kind.get("failed", []),
            **{name: said[name] for name in ("notice", "verdict", "exit_code", "role", "set", "profile", "product")},
            **{name: said[name] for name in ("claims", "required", "reported", "run", "started", "finished", "suite")},
        },
    }


def as_json(data: Mapping[str, Any]) -> bytes:
    """Return JSON data as the bytes that an archive holds."""
    return (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "backslashreplace")


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    return hashlib.sha256(content).hexdigest()
