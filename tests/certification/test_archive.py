import struct
import zipfile
import zlib
from dataclasses import replace
from io import BytesIO

import pytest

from fulfillment_conformance.certification import archive
from fulfillment_conformance.certification.archive import Entry, Unpackable, assemble, pack, read

FILES = {"README.txt": b"hello\n", "results.json": b'{"a": 1}' * 500, "empty": b""}


def unpacked(data: bytes) -> dict[str, bytes]:
    return {entry.name: entry.content() for entry in read(data)}


def test_what_was_packed_comes_back() -> None:
    assert unpacked(pack(FILES)) == FILES
    assert pack(FILES) == pack(dict(FILES))


def test_any_program_can_open_it() -> None:
    with zipfile.ZipFile(BytesIO(pack(FILES))) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == FILES
        assert {info.date_time for info in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.external_attr >> 16 for info in opened.infolist()} == {0o100644}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is no archive"),
        (b"PK\x05\x06" + bytes(18), "it is no archive"),
        (pack(FILES)[:10], "it is cut off at its beginning"),
        (pack(FILES)[:60], "it is cut off inside results.json|it is cut off behind README.txt"),
        (pack(FILES)[:-1], "it is cut off inside its directory"),
        (pack(FILES) + b"more", "it has 4 bytes behind its end"),
        (b"MZ" + pack(FILES), "it is no archive"),
    ],
    ids=["nothing", "no files", "beginning", "inside", "end", "behind", "before"],
)
def test_what_is_cut_off_or_longer_is_told(data: bytes, said: str) -> None:
    with pytest.raises(Unpackable, match=said):
        read(data)


@pytest.mark.parametrize(
    "name", ["../results.json", "/etc/passwd", "C:evil", "folder/file", "a\\b", ".hidden", "con fusing", "x\n", "é", ""]
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    data = pack({"A" * len(name.encode("latin-1")) or "A": b"x"})
    placed = (
        data.replace(b"A" * len(name), name.encode("latin-1"))
        if name
        else data.replace(b"\x01\0\0\0A", b"\0\0\0\0A", 1)
    )

    with pytest.raises(Unpackable, match="the names in it are plain ones"):
        read(placed)


@pytest.mark.parametrize("second", ["results.json", "RESULTS.json"])
def test_a_name_that_comes_twice_is_refused(second: str) -> None:
    entries = [Entry.of("results.json", b"right"), Entry.of(second, b"wrong")]

    with pytest.raises(Unpackable, match=f"it holds {second} twice"):
        read(assemble(entries))


def test_an_entry_in_the_directory_alone_or_another_one_is_found() -> None:
    first, second = Entry.of("a", b"right"), Entry.of("b", b"wrong")
    both = assemble([first, second])
    hidden = both.replace(b"PK\x01\x02", b"PK\x01\x03", 1)
    renamed = both[: both.rindex(b"a")] + b"c" + both[both.rindex(b"a") + 1 :]

    for data in (hidden, renamed):
        with pytest.raises(Unpackable, match=r"its directory, which begins at byte .* is not as certify writes it"):
            read(data)


@pytest.mark.parametrize(
    ("offset", "format_", "value"),
    [(4, "<H", 45), (6, "<H", 8), (8, "<H", 0), (10, "<H", 1), (12, "<H", 1), (28, "<H", 1)],
    ids=["version", "flags", "method", "time", "date", "extra field"],
)
def test_headers_that_certify_does_not_write_are_refused(offset: int, format_: str, value: int) -> None:
    data = bytearray(pack(FILES))
    struct.pack_into(format_, data, offset, value)

    with pytest.raises(Unpackable, match=r"the entry README\.txt was not written by certify"):
        read(bytes(data))


class TestBombs:
    def test_nothing_is_unpacked_beyond_what_an_entry_says(self) -> None:
        bomb = replace(Entry.of("results.json", bytes(50_000_000)), size=100)

        with pytest.raises(Unpackable, match="does not unpack to the 100 bytes that it says"):
            bomb.content()

    def test_a_size_beyond_all_measure_is_refused_before_anything_is_unpacked(self) -> None:
        bomb = replace(Entry.of("results.json", b""), size=archive.LARGEST)

        with pytest.raises(Unpackable, match="would unpack to more than 536,870,912 bytes"):
            read(assemble([Entry.of("a", b"x"), bomb]))

    def test_many_files_are_refused(self) -> None:
        with pytest.raises(Unpackable, match="more than 64 files"):
            read(assemble([Entry.of(f"file{number}", b"") for number in range(65)]))

    def test_more_than_an_archive_may_hold_is_not_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(archive, "LARGEST", 10)

        with pytest.raises(Unpackable, match="more than 10 bytes"):
            pack(FILES)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Entry("a", 0, 5, b"\xff\xff\xff"), "a is damaged"),
        (replace(Entry.of("a", b"right"), crc=1), "a is damaged: its CRC is another one"),
        (replace(Entry.of("a", b"right"), size=6), "a does not unpack to the 6 bytes"),
        (replace(Entry.of("a", b"right"), packed=archive.deflated(b"right") + b"!"), "a has 1 bytes behind its end"),
        (replace(Entry.of("a", b"right"), packed=archive.deflated(b"right")[:-2]), "a does not unpack"),
    ],
    ids=["no deflate", "other content", "other size", "longer", "shorter"],
)
def test_a_damaged_entry_is_named(entry: Entry, said: str) -> None:
    with pytest.raises(Unpackable, match=said):
        entry.content()


def test_the_compression_is_named_by_the_library_that_does_it() -> None:
    assert archive.ZLIB == zlib.ZLIB_RUNTIME_VERSION
