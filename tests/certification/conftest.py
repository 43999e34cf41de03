from pathlib import Path

import pytest
from tests.certification import forgery

from fulfillment_conformance.certification import archive
from fulfillment_conformance.certification.issuing import files_of
from fulfillment_conformance.certification.outputs import derive
from fulfillment_conformance.report.results import RESULTS
from fulfillment_conformance.run import EXCHANGES


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run that is conformant; not to be changed."""
    folder = tmp_path_factory.mktemp("small") / "output"
    forgery.run(folder)
    return folder


@pytest.fixture(scope="session")
def unsigned(run_folder: Path) -> bytes:
    """Its archive, without a signature."""
    outputs = derive((run_folder / RESULTS).read_bytes(), (run_folder / EXCHANGES).read_bytes())
    return archive.pack(files_of(outputs, forgery.circumstances(), forgery.installation(), None))


@pytest.fixture(scope="session")
def signed(run_folder: Path) -> bytes:
    """Its archive, signed."""
    outputs = derive((run_folder / RESULTS).read_bytes(), (run_folder / EXCHANGES).read_bytes())
    about = forgery.circumstances(forgery.KEY)
    return archive.pack(files_of(outputs, about, forgery.installation(), forgery.KEY))


@pytest.fixture(scope="session")
def failing(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An archive that nobody would be given: of a run in which a required requirement failed, and unsigned."""
    folder = tmp_path_factory.mktemp("failing") / "output"
    forgery.run(folder, failing=True)
    outputs = derive((folder / RESULTS).read_bytes(), (folder / EXCHANGES).read_bytes())
    suite = forgery.installation(failing=True)
    return archive.pack(files_of(outputs, forgery.circumstances(), suite, None))
