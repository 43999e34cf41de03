"""The bytes of an archive: a zip file in one form only, so that nothing in it can be changed unseen.

No comments, no extra fields, no gaps, one date, names without folders, the directory last. Any program can open it;
`read` accepts nothing that `assemble` would not write, and never unpacks more than an entry says, or than `LARGEST`.
"""

import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LARGEST = 512 * 1024 * 1024
"""Bytes, of an archive and of all that it unpacks to."""

MOST_FILES = 64
"""How many files an archive may hold."""

ZLIB = zlib.ZLIB_RUNTIME_VERSION
"""What compresses here; another version may come to other bytes for the same content."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_CENTRAL_HEADER = struct.Struct("<4s6H3I5H2I")
_END_RECORD = struct.Struct("<4s4H2IH")
_VERSION, _MADE_BY, _DEFLATED = 20, 0x0314, 8
_DATE, _TIME = 0x0021, 0  # 1980-01-01, midnight
_MODE = 0o100644 << 16


class Unpackable(ValueError):  # noqa: N818 - says what is so
    """The bytes are not an archive of ours; the message says what is wrong with which part of it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive: its name, and its content as it is packed."""

    name: str
    crc: int
    size: int
    packed: bytes

    @classmethod
    def of(cls, name: str, content: bytes) -> "Entry":
        """Pack a file."""
        return cls(name, zlib.crc32(content), len(content), deflated(content))

    def content(self) -> bytes:
        """Unpack it.

        Raises:
            Unpackable: it is damaged, or not as large as it says.
        """
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = unpacker.decompress(self.packed, self.size + 1)
        except zlib.error as error:
            raise Unpackable(f"{self.name} is damaged: {error}") from None
        if len(content) != self.size or not unpacker.eof:
            raise Unpackable(f"{self.name} does not unpack to the {self.size} bytes that it says")
        if unpacker.unused_data:
            raise Unpackable(f"{self.name} has {len(unpacker.unused_data)} bytes behind its end")
        if zlib.crc32(content) != self.crc:
            raise Unpackable(f"{self.name} is damaged: its CRC is another one")
        return content


def deflated(content: bytes) -> bytes:
    """Compress a file's content."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the archive of some files, in their order.

    Raises:
        Unpackable: they are too large.
    """
    if sum(map(len, files.values())) > LARGEST:
        raise Unpackable(f"the files hold more than {LARGEST:,} bytes")
    return assemble([Entry.of(name, content) for name, content in files.items()])


def assemble(entries: Sequence[Entry]) -> bytes:
    """Return the archive of these entries."""
    parts: list[bytes] = []
    directory: list[bytes] = []
    offset = 0
    for entry in entries:
        name = entry.name.encode("ascii")
        common = (_VERSION, 0, _DEFLATED, _TIME, _DATE, entry.crc, len(entry.packed), entry.size, len(name), 0)
        parts += [_LOCAL_HEADER.pack(_LOCAL, *common) + name, entry.packed]
        directory.append(_CENTRAL_HEADER.pack(_CENTRAL, _MADE_BY, *common, 0, 0, 0, _MODE, offset) + name)
        offset += len(parts[-2]) + len(parts[-1])
    size = sum(map(len, directory))
    end = _END_RECORD.pack(_END, 0, 0, len(entries), len(entries), size, offset, 0)
    return b"".join([*parts, *directory, end])


def read(data: bytes) -> list[Entry]:
    """Return the entries of an archive; nothing is unpacked yet.

    Raises:
        Unpackable: it is cut off, or not one that `assemble` has written.
    """
    if not data.startswith(_LOCAL):
        raise Unpackable("it is no archive: it does not begin as one")
    entries: list[Entry] = []
    offset = 0
    while data[offset : offset + 4] == _LOCAL:
        entry = _entry(data, offset, entries)
        entries.append(entry)
        offset += _LOCAL_HEADER.size + len(entry.name) + len(entry.packed)
        if len(entries) > MOST_FILES:
            raise Unpackable(f"it holds more than {MOST_FILES} files")
        if sum(each.size for each in entries) > LARGEST:
            raise Unpackable(f"it would unpack to more than {LARGEST:,} bytes; nothing of it is unpacked")
    if len(data) - offset < _END_RECORD.size:
        raise Unpackable(f"it is cut off behind {entries[-1].name}")
    own = assemble(entries)
    if own != data:
        raise Unpackable(_difference(data, own, offset))
    return entries


def _entry(data: bytes, offset: int, before: Sequence[Entry]) -> Entry:
    header = data[offset : offset + _LOCAL_HEADER.size]
    where = f"behind {before[-1].name}" if before else "at its beginning"
    if len(header) < _LOCAL_HEADER.size:
        raise Unpackable(f"it is cut off {where}")
    fields = _LOCAL_HEADER.unpack(header)
    crc, packed_size, size, name_length = fields[6:10]
    start = offset + _LOCAL_HEADER.size
    name = data[start : start + name_length].decode("latin-1")
    if not _NAME.fullmatch(name):
        raise Unpackable(f"it holds a file {name[:80]!r}; the names in it are plain ones, without folders")
    if name.lower() in {entry.name.lower() for entry in before}:
        raise Unpackable(f"it holds {name} twice")
    if fields[:6] != (_LOCAL, _VERSION, 0, _DEFLATED, _TIME, _DATE) or fields[10] != 0:
        raise Unpackable(f"the entry {name} was not written by certify: another program has packed it")
    packed = data[start + name_length : start + name_length + packed_size]
    if len(packed) < packed_size:
        raise Unpackable(f"it is cut off inside {name}")
    return Entry(name, crc, size, packed)


def _difference(data: bytes, own: bytes, directory: int) -> str:
    if own.startswith(data):
        return "it is cut off inside its directory"
    if data.startswith(own):
        return f"it has {len(data) - len(own)} bytes behind its end"
    place = next(index for index, (left, right) in enumerate(zip(data, own, strict=False)) if left != right)
    return f"its directory, which begins at byte {directory}, is not as certify writes it: byte {place} is another"
