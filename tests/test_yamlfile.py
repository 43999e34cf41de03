from pathlib import Path

import pytest

from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.yamlfile import (
    Document,
    MalformedYaml,
    Problem,
    UnreadableFile,
    YamlProblem,
    dotted,
    given,
    nearest,
    parse,
    read,
)

HERE = Path("target.yaml")


def parsed(text: str) -> Document:
    return parse(text, HERE)


def test_every_key_and_value_keeps_its_line_and_column() -> None:
    document = parsed("a: 1\nb:\n  c: [x,\n      y]\n")

    assert document.data == {"a": 1, "b": {"c": ["x", "y"]}}
    assert document.keys[("b", "c")] == (3, 3)
    assert document.values[("b", "c", 1)] == (4, 7)
    assert document.values[()] == (1, 1)


def test_the_line_of_what_is_missing_is_that_of_the_nearest_thing_above() -> None:
    document = parsed("# a comment\na:\n  b:\n    c: 1\n")

    assert document.line(("a", "b", "nothing", 3)) == 3
    assert document.line(("nothing",)) == 2


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-11-22", "2026-11-22"),
        ("0x1f", "0x1f"),
        (".inf", ".inf"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("9" * 30, "9" * 30),
        ("${NAME}", "${NAME}"),
        ("grün", "grün"),
        ("!", ""),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(written: str, meant: object) -> None:
    value = parsed(f"key: {written}").data["key"]

    assert value == meant
    assert type(value) is type(meant)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n\tb: 2\n", "target.yaml:2: column 1 holds a tab; indent and separate with spaces"),
        ("a:\t1\n", "target.yaml:1: column 3 holds a tab; indent and separate with spaces"),
        ("a: 1\nb: \x00\n", "target.yaml:2: column 4 holds the character U+0000; remove it"),
        ("a: 1\n---\nb: 2\n", "target.yaml:2: a second document begins here; keep one document in a file"),
        ("- a\n- b\n", "target.yaml:1: expected a mapping (key: value) at the top, got a list"),
        ("just text\n", "target.yaml:1: expected a mapping (key: value) at the top, got 'just text'"),
        (
            "a: b: c\n",
            "target.yaml:1: not valid YAML: mapping values are not allowed in this context; put a value that",
        ),
        ("a: [1, 2\n", "target.yaml:2: not valid YAML: did not find expected ',' or ']'; inside [ ] put ${NAME}"),
        ("a: {b: ${C}}\n", "target.yaml:1: not valid YAML: did not find expected ',' or '}'; inside { } put ${NAME}"),
        (
            "a: @b\n",
            "target.yaml:1: not valid YAML: found character that cannot start any token; put a value that begins",
        ),
        ("a: 1\n  b: 2\n", "target.yaml:2: not valid YAML: mapping values are not allowed in this context; put"),
        ("a: 1\n b: 2\n", "target.yaml:2: not valid YAML: "),
        ('a: "unfinished\n', "target.yaml:2: not valid YAML: "),
        ("? [a]\n: b\n", "target.yaml:1: a key must be plain text"),
        ("a:\n  ? {b: c}\n  : d\n", "target.yaml:2: a: a key must be plain text"),
        ("a: " + "[" * 100 + "]" * 100, "target.yaml:1: nested deeper than 60 levels"),
    ],
)
def test_text_that_cannot_be_parsed_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(MalformedYaml) as refused:
        parsed(text)

    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "null\n"])
def test_an_empty_file_is_refused(text: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        parsed(text)

    assert str(refused.value) == "target.yaml: is empty; expected a mapping (key: value)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "target.yaml:4: b.c: key given twice, first on line 3; remove one of them"),
        ("a: &x 1\nb: *x\n", "target.yaml:2: b: the alias *x is not allowed; write the value out"),
        ("a: !!python/name:os.system x\n", "target.yaml:1: a: the tag tag:yaml.org,2002:python/name:os.system is not"),
        ("a: [!secret x]\n", "target.yaml:1: a[0]: the tag !secret is not allowed; remove it"),
    ],
)
def test_what_does_not_hinder_parsing_is_kept_as_a_problem(text: str, message: str) -> None:
    ((_, problem),) = parsed(text).problems

    assert str(problem).startswith(message)


def test_a_key_given_twice_keeps_its_first_value_and_the_problems_of_its_second() -> None:
    document = parsed("a: 1\na: {b: *x, b: 2}\nc: 3\n")

    assert document.data == {"a": 1, "c": 3}
    assert [problem.line for _, problem in document.problems] == [2, 2, 2]


def test_an_alias_bomb_is_not_unfolded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]

    document = parsed("\n".join(lines))

    assert len(document.problems) == 9 * 11
    assert document.data["a11"] == [None] * 9


def test_a_missing_file_names_the_nearest_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "publisher.yaml").write_text("a: 1\n")

    with pytest.raises(UnreadableFile, match=r"publishr\.yaml: no such file; did you mean 'publisher\.yaml'\?"):
        read(tmp_path / "publishr.yaml")
    with pytest.raises(UnreadableFile, match=r"x\.yaml: no such file; that folder holds publisher\.yaml"):
        read(tmp_path / "x.yaml")
    with pytest.raises(UnreadableFile, match=r"x\.yaml: no such file; check the path"):
        read(tmp_path / "nowhere" / "x.yaml")


def test_a_folder_is_refused_with_the_files_in_it(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"is a folder, not a file; it holds no \.yaml file"):
        read(tmp_path)
    (tmp_path / "publisher.yaml").write_text("a: 1\n")
    with pytest.raises(UnreadableFile, match=r"is a folder, not a file; name one of publisher\.yaml"):
        read(tmp_path)


def test_a_file_that_may_not_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", forbidden)

    with pytest.raises(UnreadableFile, match=r"locked\.yaml: cannot be read: Permission denied"):
        read(tmp_path / "locked.yaml")


def test_a_path_that_cannot_exist_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="cannot be read: embedded null byte"):
        read(tmp_path / "a\0b.yaml")


@pytest.mark.parametrize(
    ("content", "line", "byte"), [(b"a: 1\nb: caf\xe9\n", 2, "0xe9"), ("a: 1".encode("utf-16"), 1, "0xff")]
)
def test_text_in_another_encoding_is_refused(tmp_path: Path, content: bytes, line: int, byte: str) -> None:
    file = tmp_path / "latin.yaml"
    file.write_bytes(content)

    with pytest.raises(UnreadableFile) as refused:
        read(file)

    assert str(refused.value) == f"{file}:{line}: not UTF-8 text (byte {byte}); save the file as UTF-8"


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    file = tmp_path / "windows.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: two\r\n")

    assert read(file).data == {"a": 1, "b": "two"}


def test_problems_are_told_in_the_order_of_the_file_and_end_with_the_usage_exit_code() -> None:
    error = YamlProblem([Problem("b", 2, "k", "x"), Problem("a", None, "", "y"), Problem("a", 7, "", "z")])

    assert str(error) == "a: y\na:7: z\nb:2: k: x"
    assert isinstance(error, UsageProblem)
    assert error.exit_code == 4


def test_paths_are_written_with_dots_and_brackets() -> None:
    assert dotted(("publisher", "onboarding", 0, "submit")) == "publisher.onboarding[0].submit"
    assert dotted(()) == ""


@pytest.mark.parametrize(
    ("value", "description"),
    [
        (None, "nothing"),
        (True, "true"),
        (3, "the number 3"),
        ("text", "'text'"),
        ([1], "a list"),
        ({}, "a mapping"),
        ("x" * 80, f"'{'x' * 57}...'"),
        ("ask buyer@contoso.example", "'ask ...@...'"),
        ("https://me:word@host/p?code=abc", "'https://...@host/p?...'"),
        ("the canary sings", "a value that is not shown"),
    ],
)
def test_values_are_described_without_what_is_private(value: object, description: str) -> None:
    assert given(value, secrets=["canary"]) == description


def test_the_nearest_known_word_is_suggested_whatever_its_case() -> None:
    assert nearest("WEBHOK", ["webhook", "landing_page"]) == "; did you mean 'webhook'?"
    assert nearest("zzz", ["webhook"]) == ""
