"""What an archive is held against: the suite that is installed here."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fulfillment_conformance import __version__, resources
from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.checks import GUID
from fulfillment_conformance.suite_index import SuiteTest, read_suites

FOLDERS = ("catalogue", "openapi", "suites")
"""What decides beside the program itself: the requirements, the description of the API, the tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """An installed suite.

    Attributes:
        version: the suite's.
        digests: folder of `FOLDERS` -> SHA-256 over the names and contents of its files.
        catalogue: the requirements and the sets.
        tests: every test that there is.
        sources: file of a test, as `SuiteTest.file` -> its text.
    """

    version: str
    digests: Mapping[str, str]
    catalogue: Catalogue
    tests: Sequence[SuiteTest]
    sources: Mapping[str, str]

    @property
    def patterns(self) -> str:
        """A text in which every regular expression stands that a check may ask for."""
        return "\n".join([GUID.pattern, *self.sources.values()])


@functools.cache
def installed() -> Installation:
    """Return the suite that runs."""
    suites = resources.folder("suites")
    return Installation(
        version=__version__,
        digests={name: _digest(name) for name in FOLDERS},
        catalogue=Catalogue.load(),
        tests=tuple(read_suites()),
        sources={
            path.relative_to(suites).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(suites.rglob("test_*.py"))
        },
    )


def _digest(name: str) -> str:
    """Return a digest of a folder that does not depend on where it lies, nor on the line ends of a checkout."""
    folder = resources.folder(name)
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix in {".yaml", ".py", ".ini"}:
            content = path.read_bytes().replace(b"\r\n", b"\n")
            whole.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
            whole.update(content)
    return whole.hexdigest()
