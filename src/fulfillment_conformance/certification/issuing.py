"""Makes an archive of a run's folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fulfillment_conformance.certification import archive, documents, signing
from fulfillment_conformance.certification.documents import Circumstances
from fulfillment_conformance.certification.installation import Installation, installed
from fulfillment_conformance.certification.outputs import Outputs, derive
from fulfillment_conformance.certification.readiness import complaints
from fulfillment_conformance.errors import ConformanceError, UsageProblem
from fulfillment_conformance.outcome import ExitCode
from fulfillment_conformance.product import Product
from fulfillment_conformance.report.results import RESULTS
from fulfillment_conformance.run import EXCHANGES

NAME = "readiness.zip"
"""The archive's name in the output folder."""


class NotReady(ConformanceError):  # noqa: N818 - says what is so
    """A run that cannot be certified; the message says why, a line for each reason."""

    exit_code = ExitCode.INCOMPLETE


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """An archive that was written: where, of which run, and the fingerprint of the key that signed it, if one did."""

    path: Path
    outputs: Outputs
    signer: str | None


def issue(
    folder: Path, product: Product, *, key: signing.PrivateKey | None = None, installation: Installation | None = None
) -> Certificate:
    """Write `readiness.zip` into the folder of a run, of nothing but what lies there.

    Args:
        folder: the output of a run of a whole set.
        product: what was judged.
        key: signs the archive; None leaves it unsigned, and the archive says so.
        installation: the suite that ran; the installed one.

    Raises:
        NotReady: the run has not decided all that its set requires, or something is not kept.
        UsageProblem: the folder is not that of a run that ended, or cannot be written to.
    """
    installation = installation or installed()
    try:
        outputs = derive((folder / RESULTS).read_bytes(), (folder / EXCHANGES).read_bytes())
    except OSError as error:
        raise UsageProblem(f"{folder}: {error.strerror or error}; name the folder that a run wrote") from error
    said = complaints(outputs.results, installation)
    if said:
        raise NotReady("no certificate:\n" + "\n".join(f"  {complaint}" for complaint in said))
    about = Circumstances(
        product=product,
        digests=installation.digests,
        compression=archive.ZLIB,
        signer=None if key is None else signing.fingerprint(key.public_key()),
    )
    path = folder / NAME
    try:
        path.write_bytes(archive.pack(files_of(outputs, about, installation, key)))
    except archive.Unpackable as error:
        raise UsageProblem(f"cannot write {path}: {error}") from error
    except OSError as error:
        raise UsageProblem(f"cannot write {path}: {error.strerror or error}") from error
    return Certificate(path=path, outputs=outputs, signer=about.signer)


def files_of(
    outputs: Outputs, about: Circumstances, installation: Installation, key: signing.PrivateKey | None
) -> Mapping[str, bytes]:
    """Return the files of an archive, in their order."""
    public = {} if key is None else {documents.PUBLIC_KEY: signing.as_pem(key.public_key())}
    files = unsigned_files(outputs, about, installation, public)
    if key is not None:
        files[documents.ENVELOPE] = signing.sign(files[documents.STATEMENT], key)
    return files


def unsigned_files(
    outputs: Outputs, about: Circumstances, installation: Installation, public: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Return the files of an archive without the envelope; `public` is the file of the public key, or nothing."""
    results = outputs.results
    chosen = installation.catalogue.set(results.set or "")
    files = {
        documents.README: documents.readme(results, chosen, about).encode("utf-8", "backslashreplace"),
        documents.CERTIFICATE: documents.as_json(documents.certificate(results, chosen, about)),
        **outputs.files,
        **public,
    }
    files[documents.SUMS] = documents.sums(files).encode("ascii")
    files[documents.STATEMENT] = documents.as_json(documents.statement(results, chosen, about, files))
    return files
