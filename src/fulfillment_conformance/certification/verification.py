"""Holds an archive against itself and against the suite that is installed here; needs no network.

Everything that can be made again is made again, by the functions that made it: outcomes, verdict and exit code out of
the checks, the checks out of the exchanges, the reports out of both, the certificate and the statement out of all.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fulfillment_conformance.certification import archive, documents, recorded, shapes, signing
from fulfillment_conformance.certification.archive import Unpackable
from fulfillment_conformance.certification.documents import Circumstances
from fulfillment_conformance.certification.installation import FOLDERS, Installation, installed
from fulfillment_conformance.certification.issuing import unsigned_files
from fulfillment_conformance.certification.outputs import Outputs, derive
from fulfillment_conformance.certification.readiness import complaints, unfounded
from fulfillment_conformance.certification.rederivation import Depth, rederive
from fulfillment_conformance.errors import ConformanceError, UsageProblem
from fulfillment_conformance.outcome import ExitCode, Outcome, conclude, decide_requirement
from fulfillment_conformance.report.reply_times import measure
from fulfillment_conformance.report.results import RESULTS, RunResults
from fulfillment_conformance.run import EXCHANGES

_SOURCES = (documents.CERTIFICATE, RESULTS, EXCHANGES)
_NOT_OURS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What a value of another type than ours comes to, wherever it is used first."""
_BESIDE = (documents.SUMS, documents.STATEMENT, documents.ENVELOPE)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in an archive that does not match: in which file, or `archive`, and what, in words."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


@dataclass(kw_only=True)
class Verification:
    """What became of an archive.

    Attributes:
        findings: what does not match.
        other: why the installed suite cannot derive the verdicts again, if it is another one; empty otherwise.
        depths: how many checks could be decided again, and how far.
        answers: how many recorded answers were held against the description of the API.
        results: the results in it, once they could be read.
        about: product and circumstances, once they could be read.
        signer: fingerprint of the key whose signature was right, None without one.
    """

    findings: list[Finding] = field(default_factory=list)
    other: str = ""
    depths: Mapping[Depth, int] = field(default_factory=dict)
    answers: int = 0
    results: RunResults | None = None
    about: Circumstances | None = None
    signer: str | None = None

    @property
    def matches(self) -> bool:
        """Whether everything matches, and everything could be looked at."""
        return not self.findings and not self.other

    @property
    def exit_code(self) -> int:
        """0 if everything matches, 1 if something does not, 7 if another version of the suite is needed to tell."""
        if self.findings:
            return ExitCode.FAILED
        return ExitCode.INCOMPLETE if self.other else ExitCode.CONFORMANT


def verify(
    path: Path, *, key: signing.PublicKey | None = None, installation: Installation | None = None
) -> Verification:
    """Derive again what an archive says.

    Args:
        path: the archive.
        key: the key that has to have signed it; None takes the one in the archive, if it is signed at all.
        installation: the suite to hold it against; the installed one.

    Raises:
        UsageProblem: the file cannot be read.
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= archive.LARGEST else b""
    except OSError as error:
        raise UsageProblem(f"{path}: {error.strerror or error}; name an archive that certify wrote") from error
    verifying = _Verifying(key, installation or installed())
    if size > archive.LARGEST:
        verifying.find("archive", f"it has {size:,} bytes; certify writes at most {archive.LARGEST:,}")
    else:
        try:
            verifying.run(data)
        except _NOT_OURS as error:
            verifying.find(RESULTS, f"holds what no run writes, and cannot be looked through: {type(error).__name__}")
    return verifying.verification


class _Verifying:
    """One verification: the steps, each of which adds to the findings."""

    def __init__(self, key: signing.PublicKey | None, installation: Installation) -> None:
        self.verification = Verification()
        self._key = key
        self._installation = installation
        self._files: dict[str, bytes] = {}
        self._entries: dict[str, archive.Entry] = {}

    def find(self, where: str, text: str) -> None:
        """Keep a finding."""
        self.verification.findings.append(Finding(where, text))

    def run(self, data: bytes) -> None:
        """Take one step after the other, as far as they can be taken."""
        if not self._unpack(data):
            return
        self._checksums()
        self._statement()
        about = self._circumstances()
        if about is None:
            return
        self._signature(about)
        self._compression(about)
        exchanges, said = recorded.read(self._files[EXCHANGES])
        for text in said:
            self.find(EXCHANGES, text)
        outputs = self._outputs()
        if outputs is None:
            return
        results = outputs.results
        self.verification.results = results
        self._conclusions(results)
        for text in recorded.complaints(exchanges, results):
            self.find(EXCHANGES, text)
        if measure(exchanges.values(), role=results.role) != results.reply_times:
            self.find(RESULTS, "its reply times are not those of the exchanges")
        self.verification.other = self._other_suite(results, about)
        if self.verification.other:
            return
        self._set(results)
        self._wording(results)
        self._checks(results, exchanges)
        if results.role == "marketplace":
            self._shapes(results, exchanges)
        self._again(outputs, about)

    # --- the archive ---

    def _unpack(self, data: bytes) -> bool:
        try:
            entries = archive.read(data)
        except Unpackable as error:
            self.find("archive", str(error))
            return False
        for entry in entries:
            try:
                self._files[entry.name] = entry.content()
                self._entries[entry.name] = entry
            except Unpackable as error:
                self.find(entry.name, str(error))
        if self.verification.findings:
            return False
        for name in (*_SOURCES, documents.README, documents.SUMS, documents.STATEMENT):
            if name not in self._files:
                self.find(name, "is missing from the archive")
        return all(name in self._files for name in _SOURCES)

    def _checksums(self) -> None:
        lines = self._files.get(documents.SUMS, b"").decode("utf-8", "replace").splitlines()
        named: dict[str, str] = {}
        for line in lines:
            digest, blanks, name = line.partition("  ")
            if not blanks or name in named:
                self.find(documents.SUMS, f"the line {line[:80]!r} is no checksum, or one of a file named before")
            named[name] = digest
        self._compare(documents.SUMS, named, but=_BESIDE)

    def _compare(self, where: str, named: Mapping[str, str], *, but: tuple[str, ...]) -> None:
        """Compare the files with the checksums that are written in another."""
        for name, content in self._files.items():
            if name in but:
                continue
            if name not in named:
                self.find(name, f"is not named in {where}")
            elif named[name] != documents.digest(content):
                self.find(name, f"is not the file whose checksum stands in {where}")
        for name in named.keys() - self._files.keys():
            self.find(name, f"is named in {where}, and not in the archive")

    def _statement(self) -> None:
        try:
            data = _json(self._files.get(documents.STATEMENT, b""))
            named = {one["name"]: one["digest"]["sha256"] for one in data["subject"]}
        except (ValueError, KeyError, TypeError, AttributeError):
            self.find(documents.STATEMENT, "is not an in-toto statement about files")
            return
        self._compare(documents.STATEMENT, named, but=_BESIDE[1:])

    def _circumstances(self) -> Circumstances | None:
        try:
            data = _json(self._files[documents.CERTIFICATE])
            if data["format"] != documents.FORMAT:
                said = f"has the format {data['format']!r}; this version reads {documents.FORMAT}"
                self.find(documents.CERTIFICATE, said)
                return None
            about = Circumstances.from_certificate(data)
        except (ValueError, KeyError, TypeError, AttributeError):
            self.find(documents.CERTIFICATE, "is damaged: it does not say what was judged, and by what")
            return None
        self.verification.about = about
        return about

    def _signature(self, about: Circumstances) -> None:
        envelope, pem = self._files.get(documents.ENVELOPE), self._files.get(documents.PUBLIC_KEY)
        if envelope is None and pem is None and about.signer is None:
            if self._key is not None:
                self.find(
                    "archive", f"it is not signed, and has to be by the key {signing.fingerprint(self._key)[:16]}"
                )
            return
        if envelope is None or pem is None or about.signer is None:
            parts = {
                documents.ENVELOPE: envelope,
                documents.PUBLIC_KEY: pem,
                "signed_by in certificate.json": about.signer,
            }
            there = [name for name, part in parts.items() if part is not None]
            lost = [name for name, part in parts.items() if part is None]
            self.find("archive", f"it is signed by half: {', '.join(there)} is there, {', '.join(lost)} is not")
            return
        try:
            own = signing.public_key(pem)
        except signing.BadSignature as error:
            self.find(documents.PUBLIC_KEY, str(error))
            return
        key = self._key or own
        if signing.fingerprint(own) != about.signer:
            self.find(documents.PUBLIC_KEY, f"is not the key {about.signer[:16]}, which certificate.json names")
        if signing.fingerprint(own) != signing.fingerprint(key):
            fingers = signing.fingerprint(own)[:16], signing.fingerprint(key)[:16]
            self.find(documents.PUBLIC_KEY, f"is the key {fingers[0]}, not the one that was given, {fingers[1]}")
        try:
            signing.check(envelope, self._files.get(documents.STATEMENT, b""), key)
        except signing.BadSignature as error:
            self.find(documents.ENVELOPE, str(error))
            return
        self.verification.signer = signing.fingerprint(key)

    def _compression(self, about: Circumstances) -> None:
        """Compare the packed bytes, too, where the same zlib would come to the same ones."""
        if about.compression != archive.ZLIB:
            return
        for name, entry in self._entries.items():
            if archive.deflated(self._files[name]) != entry.packed:
                self.find(name, "is packed in another way than certify packs")

    def _outputs(self) -> Outputs | None:
        try:
            return derive(self._files[RESULTS], self._files[EXCHANGES])
        except UsageProblem as error:
            self.find(RESULTS, str(error).removeprefix(f"{RESULTS} ").removesuffix("; run again"))
        except ConformanceError as error:
            self.find(RESULTS, f"no reports can be made of it: {error}")
        return None

    # --- the results ---

    def _conclusions(self, results: RunResults) -> None:
        """Draw all conclusions again, with the functions of the run."""
        names = Counter(one.id for one in results.requirements)
        for name in (name for name, times in names.items() if times > 1):
            self.find(RESULTS, f"{name} stands in it more than once")
        for test, times in Counter(record.test for record in results.tests).items():
            if times > 1:
                self.find(RESULTS, f"the test {test} stands in it more than once")
        for one in results.requirements:
            again = decide_requirement(one.id, level=one.level, party=one.result.party, records=results.tests)
            if again.outcome is not one.outcome:
                self.find(RESULTS, f"{one.id} is said to be {one.outcome}; its tests make it {again.outcome}")
            elif again != one.result:
                self.find(RESULTS, f"{one.id} does not have the checks and reasons that its tests have")
        conclusion = conclude(
            [one.result for one in results.requirements], results.tests, interrupted=results.interrupted
        )
        for name, said, drawn in (
            ("the verdict", str(results.verdict), str(conclusion.verdict)),
            ("the exit code", results.exit_code, conclusion.exit_code),
        ):
            if said != drawn:
                self.find(RESULTS, f"{name} is said to be {said}; the outcomes make it {drawn}")

    def _other_suite(self, results: RunResults, about: Circumstances) -> str:
        version = str(results.suite.get("version"))
        if version != self._installation.version:
            return (
                f"made by version {version}, and this is {self._installation.version}: "
                f"install fulfillment-conformance=={version} to derive its verdicts again"
            )
        others = [name for name in FOLDERS if about.digests.get(name) != self._installation.digests[name]]
        if others:
            return (
                f"made by a version {version} with another {' and another '.join(others)} than the one installed here: "
                "install the one that made it to derive its verdicts again"
            )
        return ""

    def _set(self, results: RunResults) -> None:
        for said in complaints(results, self._installation):
            self.find(RESULTS, said)

    def _wording(self, results: RunResults) -> None:
        catalogue = self._installation.catalogue
        for one in results.requirements:
            if one.id not in catalogue:
                continue  # `_set` has said so
            row = catalogue[one.id]
            written = (one.level, one.result.party, one.theme, one.statement, one.source, one.observable)
            if written != (row.level, row.party, row.theme, row.statement, row.source, row.observable):
                self.find(RESULTS, f"{one.id} is worded, or binds, otherwise than in the catalogue")

    def _checks(self, results: RunResults, exchanges: Mapping[str, Mapping[str, Any]]) -> None:
        """Decide every check again."""
        depths: Counter[Depth] = Counter()
        catalogue = self._installation.catalogue
        patterns = self._installation.patterns
        claims = results.target.get("claims") or {}
        for record in results.tests:
            for check in record.checks:
                where = f"{check.requirement} in {record.test}"
                lost = [number for number in check.exchanges if number not in exchanges]
                for text in recorded.several(lost, "is not recorded", "it rests on exchange"):
                    self.find(RESULTS, f"{where}: {text}")
                if lost or check.requirement not in catalogue:
                    continue
                found = rederive(
                    check,
                    exchanges,
                    readings=catalogue[check.requirement].accepted,
                    profile=results.profile,
                    patterns=patterns,
                )
                depths[found.depth] += 1
                for text in found.mismatches:
                    self.find(RESULTS, f"{where}: the check {text}")
                if check.outcome is Outcome.NOT_APPLICABLE:
                    why = unfounded(check, record.test, claims, self._installation)
                    if why:
                        self.find(RESULTS, f"{where}: it {why}")
        self.verification.depths = depths

    def _shapes(self, results: RunResults, exchanges: Mapping[str, Mapping[str, Any]]) -> None:
        """Hold every answer against the description of the API."""
        broken, self.verification.answers = shapes.broken(
            exchanges.values(), "observed" if results.profile == "observed" else "documented"
        )
        passed = {one.id for one in results.requirements if one.outcome is Outcome.PASSED}
        for one in broken:
            if one.requirement in passed:
                said = f"{one.requirement} is said to be passed; exchange {one.exchange} breaks it: {one.how}"
                self.find(EXCHANGES, said)

    # --- everything else ---

    def _again(self, outputs: Outputs, about: Circumstances) -> None:
        """Make every other file again."""
        if outputs.results.set not in self._installation.catalogue.sets():
            return  # `_set` has said so
        pem = self._files.get(documents.PUBLIC_KEY)
        public = {} if pem is None else {documents.PUBLIC_KEY: pem}
        made = unsigned_files(outputs, about, self._installation, public)
        order = [*made, *([documents.ENVELOPE] if documents.ENVELOPE in self._files else [])]
        for name, content in made.items():
            if name not in self._files:
                if name not in (*_SOURCES, documents.README, documents.SUMS, documents.STATEMENT):
                    self.find(name, "is missing from the archive")
            elif self._files[name] != content:
                self.find(name, "is not what the results, the exchanges and the product give")
        surplus = [name for name in self._files if name not in order]
        for name in surplus:
            self.find(name, "does not belong into the archive")
        if not surplus and list(self._files) != [name for name in order if name in self._files]:
            self.find("archive", "its files stand in another order than certify writes them")


def _json(content: bytes) -> dict[str, Any]:
    try:
        data = json.loads(content)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    return dict(data)
