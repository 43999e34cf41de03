import ast
from pathlib import Path

import pytest
from tests.suites.runs import in_a_process

from fulfillment_conformance import resources, suite_index
from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.errors import SuiteFault
from fulfillment_conformance.outcome import ExitCode
from fulfillment_conformance.suite_index import SuiteTest, read_suites

SUITES = resources.folder("suites")
FILES = sorted(SUITES.rglob("test_*.py"))

GREEN_WITHOUT_MEASURING = {"skip", "skipif", "xfail", "importorskip", "sleep", "retry", "flaky"}
"""Names whose use in a test of the suites lets it pass, or wait, for reasons that no check records."""


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.load()


@pytest.fixture
def suites(tmp_path: Path) -> Path:
    (tmp_path / "marketplace").mkdir()
    return tmp_path


def write(suites: Path, text: str, name: str = "test_resolve.py") -> None:
    (suites / "marketplace" / name).write_text(text, encoding="utf-8")


class TestReading:
    def test_a_test_is_its_file_name_claims_title_and_line(self, suites: Path) -> None:
        write(
            suites,
            "@requirement('RES-001', 'RES-002')\n@requirement('RES-003')\ndef test_a(check):\n"
            "    '''What it\n    shows.\n\n    How.'''\n",
        )

        (test,) = read_suites(suites)

        claims = ("RES-001", "RES-002", "RES-003")
        assert test == SuiteTest("marketplace/test_resolve.py", "test_a", claims, "What it shows.", 3)
        assert test.id == "marketplace/test_resolve.py::test_a"

    def test_without_a_docstring_the_name_is_the_title(self, suites: Path) -> None:
        write(suites, "@requirement('RES-001')\ndef test_a_token_is_opaque(check): ...\n")

        assert read_suites(suites)[0].title == "a token is opaque"

    def test_files_and_lines_give_the_order(self, suites: Path) -> None:
        write(suites, "@requirement('B-2')\ndef test_b(): ...\n@requirement('B-1')\ndef test_a(): ...\n", "test_b.py")
        write(suites, "@requirement('A-1')\ndef test_z(): ...\n", "test_a.py")

        assert [test.name for test in read_suites(suites)] == ["test_z", "test_b", "test_a"]

    @pytest.mark.parametrize(
        "text",
        [
            "def test_a(): ...\n",
            "@requirement('RES-001')\ndef helper(): ...\n",
            "@other('RES-001')\ndef test_a(): ...\n",
            "@pytest.mark.other('RES-001')\ndef test_a(): ...\n",
        ],
    )
    def test_what_claims_nothing_is_not_listed(self, suites: Path, text: str) -> None:
        write(suites, text)

        assert read_suites(suites) == []

    @pytest.mark.parametrize("arguments", ["NAME", "'RES-001', NAME", "*NAMES", "1", "f'RES-{1}'"])
    def test_an_id_that_nobody_could_find_is_the_suites_fault(self, suites: Path, arguments: str) -> None:
        write(suites, f"\n@requirement({arguments})\ndef test_a(): ...\n")

        with pytest.raises(SuiteFault, match=r"test_resolve\.py:2: requirement\(\.\.\.\) takes string literals only"):
            read_suites(suites)

    def test_requirements_lead_to_all_of_their_tests(self, suites: Path) -> None:
        write(suites, "@requirement('A-1', 'A-2')\ndef test_a(): ...\n@requirement('A-2')\ndef test_b(): ...\n")

        first, second = read_suites(suites)

        assert suite_index.tests_by_requirement([first, second]) == {"A-1": [first], "A-2": [first, second]}


class TestShippedSuites:
    """What has to hold for every test of the suites, read from their source."""

    def test_every_test_claims_requirements_of_the_role_that_it_lies_under(self, catalogue: Catalogue) -> None:
        for test in read_suites():
            assert {catalogue[claim].party for claim in test.claims} == {test.file.partition("/")[0]}, test.id

    def test_no_requirement_is_both_excluded_and_decided(self, catalogue: Catalogue) -> None:
        claimed = suite_index.tests_by_requirement(read_suites())

        assert not [row.id for row in catalogue.values() if row.excluded and row.id in claimed]

    def test_no_two_tests_share_a_name_in_a_file(self) -> None:
        names = [test.id for test in read_suites()]

        assert len(names) == len(set(names))

    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(SUITES).as_posix())
    def test_a_file_measures_by_checks_alone(self, file: Path) -> None:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        listed = {test.line for test in read_suites() if test.file == file.relative_to(SUITES).as_posix()}

        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
                assert node.lineno in listed, f"{node.name} claims nothing, or stands where the index does not look"
            elif isinstance(node, ast.ClassDef):
                assert not node.name.startswith("Test"), f"{node.name}: the index reads functions only"
            elif isinstance(node, ast.Assert):
                raise AssertionError(f"line {node.lineno}: an assertion is no check, and names no requirement")
            elif isinstance(node, ast.ExceptHandler):
                assert node.type is not None, f"line {node.lineno} takes any error for an answer"
                assert ast.unparse(node.type) not in {"Exception", "BaseException"}, f"line {node.lineno}"
            elif isinstance(node, ast.Attribute | ast.Name):
                name = node.attr if isinstance(node, ast.Attribute) else node.id
                assert name not in GREEN_WITHOUT_MEASURING, f"line {node.lineno} uses {name}"

    @pytest.mark.parametrize(
        ("role", "target"),
        [("marketplace", "marketplace: {driver: embedded}"), ("publisher", "publisher: {embedded: true}")],
    )
    def test_pytest_collects_what_the_index_lists(self, tmp_path: Path, role: str, target: str) -> None:
        file = tmp_path / "target.yaml"
        file.write_text(f"role: {role}\n{target}\n", encoding="utf-8")
        listing = tmp_path / "collected"

        assert in_a_process(_collect, SUITES / role, file, listing) == ExitCode.NOTHING_SELECTED

        collected = listing.read_text(encoding="utf-8").splitlines()
        listed = [test for test in read_suites() if test.file.startswith(f"{role}/")]
        assert {line.partition(" ")[0] for line in collected} == {test.id for test in listed}
        assert set(collected) == {f"{test.id} {' '.join(test.claims)}" for test in listed}


class _Listing:
    """Writes what was collected, a line for each test and its claims."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        lines = {}
        for item in session.items:
            name = item.nodeid.partition("[")[0].rpartition("suites/")[2]
            claims = [claim for mark in reversed([*item.iter_markers("requirement")]) for claim in mark.args]
            lines[name] = f"{name} {' '.join(claims)}"
        self._file.write_text("\n".join(lines.values()), encoding="utf-8")


def _collect(folder: Path, target: Path, listing: Path) -> None:
    arguments = [folder, "-c", SUITES / "pytest.ini", "--rootdir", SUITES, "--target", target, "--collect-only", "-q"]
    code = pytest.main([str(argument) for argument in arguments], plugins=[_Listing(listing)])
    raise SystemExit(int(code))
