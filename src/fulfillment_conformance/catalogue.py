"""The catalogue: every requirement that the suite knows, as data, and the frozen sets of them that certificates name.

A theme is one file, `catalogue/<theme>.yaml`; a set is `catalogue/sets/<name>.yaml`. Their keys are explained in
docs/catalogue.md. Loading checks everything that can be wrong with them and reports it all at once, by file and line.
"""

import datetime
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field

from fulfillment_conformance import resources
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.fieldtypes import Date, Text
from fulfillment_conformance.filemodel import FileModel, validate
from fulfillment_conformance.outcome import Level
from fulfillment_conformance.yamlfile import (
    Document,
    InvalidContent,
    KeyPath,
    Problem,
    UnreadableFile,
    YamlProblem,
    nearest,
    read,
)

Party = Literal["marketplace", "publisher"]
"""Who a requirement binds, and so the role of the targets it is judged on."""

_ID = re.compile(r"([A-Z][A-Z0-9]{1,2})-(\d{3})")


class UnknownRequirement(UsageProblem, KeyError):  # noqa: N818 - named like its siblings in `errors`
    """An id that the catalogue does not have; the message names the nearest one, or what it was merged into."""

    __str__ = Exception.__str__


def natural_order(requirement_id: str) -> tuple[str, int]:
    """Sort ids by theme, then by number."""
    prefix, _, number = requirement_id.rpartition("-")
    return prefix, int(number)


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError("expected an id such as WHK-014")
    return text


def _matching(pattern: str, example: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {example}")
        return text

    return AfterValidator(check)


Id = Annotated[str, AfterValidator(_id)]
_Several = Field(default=(), strict=False)


class Reading(FileModel):
    """One way to understand a requirement that passes.

    `documented` readings pass always; `observed` ones only under that profile, and are a deviation from the pages under
    the other. `statuses` are the HTTP statuses that the reading is about, if it is about any.
    """

    reading: Text
    source: Text = Field(description="where the reading comes from")
    profile: Literal["documented", "observed"]
    statuses: tuple[Annotated[int, Field(ge=100, le=599)], ...] = _Several


class Recorded(FileModel):
    """Why the emulator differs from a recording of the live service, and stays as it is."""

    recording: Text = Field(description="the recording's name, which is its file's without .yaml")
    why: Text = Field(description="why the emulator stays as it is")


class Row(FileModel):
    """A requirement as its file has it."""

    id: Id
    party: Party
    level: Level
    statement: Text
    source: tuple[Text, ...] = Field(description="a list of the sources", strict=False, min_length=1)
    observable: Text
    accepted: tuple[Reading, ...] = _Several
    conflicts: tuple[Text, ...] = _Several
    notes: tuple[Text, ...] = _Several
    rulings: dict[Annotated[str, _matching(r"\d{1,2}", "the number of a ruling")], Text] = Field(default_factory=dict)
    scenarios: tuple[Annotated[str, _matching(r"[A-H]\d\d", "a scenario such as A03")], ...] = _Several
    observations: tuple[Annotated[str, _matching(r"LB-\d\d", "an observation such as LB-33")], ...] = _Several
    recorded: tuple[Recorded, ...] = _Several
    replaces: tuple[Id, ...] = _Several
    excluded: Text | None = None


class Requirement(Row):
    """A requirement and where it stands."""

    theme: str
    file: Path
    line: int


class Theme(NamedTuple):
    """One file of the catalogue: its name, the prefix of its ids, and what it is about."""

    name: str
    prefix: str
    title: str


class _ThemeFile(FileModel):
    theme: Text
    prefix: Annotated[str, _matching(r"[A-Z][A-Z0-9]{1,2}", "two or three capital letters such as WHK")]
    title: Text
    requirements: tuple[Row, ...] = Field(description="a list of requirements", strict=False, min_length=1)


class _ByParty(FileModel):
    marketplace: tuple[Id, ...] = _Several
    publisher: tuple[Id, ...] = _Several

    def by_party(self) -> dict[Party, tuple[str, ...]]:
        return {"marketplace": self.marketplace, "publisher": self.publisher}


class _SetFile(FileModel):
    name: Text
    date: Date
    about: Text
    required: _ByParty
    reported: _ByParty = _ByParty()


@dataclass(frozen=True, slots=True)
class RequirementSet:
    """A frozen choice of requirements. `required` ones decide a certificate, `reported` ones appear in it."""

    name: str
    date: datetime.date
    about: str
    required: Mapping[Party, tuple[str, ...]]
    reported: Mapping[Party, tuple[str, ...]]

    @property
    def ids(self) -> tuple[str, ...]:
        """All ids of the set, of both parties, in natural order."""
        chosen = {name for part in (self.required, self.reported) for ids in part.values() for name in ids}
        return tuple(sorted(chosen, key=natural_order))


class Catalogue(Mapping[str, Requirement]):
    """All requirements by id, in natural order. A missing id raises `UnknownRequirement`."""

    def __init__(
        self, requirements: Mapping[str, Requirement], themes: tuple[Theme, ...], sets: Mapping[str, RequirementSet]
    ) -> None:
        self._requirements = dict(requirements)
        self._themes = themes
        self._sets = sets
        self._merged = {old: row.id for row in requirements.values() for old in row.replaces}

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        """Read the catalogue in a folder, by default the one that comes with the suite.

        Raises:
            YamlProblem: all that is wrong with its files.
        """
        loaded = _Loading(folder or resources.folder("catalogue"))
        return cls(loaded.requirements, tuple(loaded.themes), loaded.sets)

    def __getitem__(self, requirement_id: str) -> Requirement:
        row = self._requirements.get(requirement_id)
        if row is None:
            raise UnknownRequirement(self._unknown(requirement_id))
        return row

    def __contains__(self, requirement_id: object) -> bool:
        return requirement_id in self._requirements

    def __iter__(self) -> Iterator[str]:
        return iter(self._requirements)

    def __len__(self) -> int:
        return len(self._requirements)

    def themes(self) -> tuple[Theme, ...]:
        """Return the themes in the order of their prefixes."""
        return self._themes

    def filter(
        self, *, party: Party | None = None, level: Level | None = None, theme: str | None = None
    ) -> tuple[Requirement, ...]:
        """Return the requirements that have all of the given properties; a theme goes by its name or its prefix.

        Raises:
            UsageProblem: there is no such theme.
        """
        if theme is not None:
            known = {word: wanted for wanted in self._themes for word in (wanted.name, wanted.prefix)}
            if theme not in known:
                names = ", ".join(wanted.name for wanted in self._themes)
                raise UsageProblem(f"theme '{theme}' is unknown{nearest(theme, known) or ';'} themes: {names}")
            theme = known[theme].name
        return tuple(
            row
            for row in self.values()
            if party in {None, row.party} and level in {None, row.level} and theme in {None, row.theme}
        )

    def sets(self) -> Mapping[str, RequirementSet]:
        """Return the frozen sets by name."""
        return self._sets

    def set(self, name: str) -> RequirementSet:
        """Return a frozen set.

        Raises:
            UsageProblem: there is no set of this name.
        """
        if name not in self._sets:
            known = ", ".join(self._sets) or "none"
            raise UsageProblem(f"set '{name}' is unknown{nearest(name, self._sets) or ';'} sets: {known}")
        return self._sets[name]

    def _unknown(self, requirement_id: str) -> str:
        if requirement_id in self._merged:
            return f"{requirement_id} was merged into {self._merged[requirement_id]}; use that id"
        near = difflib.get_close_matches(requirement_id.upper(), self._requirements, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "`fulfillment-conformance list` shows all ids"
        return f"requirement '{requirement_id}' is not in the catalogue; {hint}"


class _Loading:
    """Reads and checks all files, and raises one error with all of their problems."""

    def __init__(self, folder: Path) -> None:
        self._problems: list[Problem] = []
        self._rows: dict[str, Requirement] = {}
        self._replaced: dict[str, tuple[Requirement, Problem]] = {}
        self.themes: list[Theme] = []
        self.sets: dict[str, RequirementSet] = {}
        files = sorted(folder.glob("*.yaml"))
        if not files:
            raise UnreadableFile([Problem(str(folder), None, "", "holds no theme files (*.yaml)")])
        for file in files:
            self._theme(file)
        self._check_replaced()
        self._check_numbering()
        for file in sorted(folder.glob("sets/*.yaml")):
            self._set(file)
        if self._problems:
            raise InvalidContent(dict.fromkeys(self._problems))
        self.themes.sort(key=lambda theme: theme.prefix)
        self.requirements = {name: self._rows[name] for name in sorted(self._rows, key=natural_order)}

    def _theme(self, file: Path) -> None:
        try:
            document = read(file)
            content = validate(document, _ThemeFile)
        except YamlProblem as error:
            self._problems += error.problems
            return
        if content.theme != file.stem:
            said = f"got '{content.theme}'; expected '{file.stem}', the name of the file"
            self._problems.append(document.problem(("theme",), said))
        for theme in self.themes:
            if theme.prefix == content.prefix:
                said = f"prefix {content.prefix} already belongs to the theme {theme.name}; choose another"
                self._problems.append(document.problem(("prefix",), said))
        self.themes.append(Theme(content.theme, content.prefix, content.title))
        for index, row in enumerate(content.requirements):
            self._row(row, content, document, ("requirements", index))

    def _row(self, row: Row, content: _ThemeFile, document: Document, path: KeyPath) -> None:
        line = document.line((*path, "id"))
        stands = Requirement.model_construct(**dict(row), theme=content.theme, file=document.file, line=line)
        if natural_order(row.id)[0] != content.prefix:
            said = f"got '{row.id}'; ids of this file begin with {content.prefix}-"
            self._problems.append(document.problem((*path, "id"), said))
        if row.id in self._rows:
            first = self._rows[row.id]
            said = f"{row.id} is already in {first.file}:{first.line}; give this one an id of its own"
            self._problems.append(document.problem((*path, "id"), said))
            return
        self._rows[row.id] = stands
        for old in row.replaces:
            here = document.problem((*path, "replaces"), "")
            if old in self._replaced:
                said = f"{old} is already replaced by {self._replaced[old][0].id}; keep one of them"
                self._problems.append(document.problem((*path, "replaces"), said))
            self._replaced[old] = stands, here

    def _check_replaced(self) -> None:
        prefixes = [theme.prefix for theme in self.themes]
        for old, (_, here) in self._replaced.items():
            said = ""
            if old in self._rows:
                live = self._rows[old]
                said = f"{old} is still a requirement, in {live.file}:{live.line}; remove one of them"
            elif natural_order(old)[0] not in prefixes:
                said = f"{old} is unknown: no theme has ids of this prefix; prefixes: {', '.join(prefixes)}"
            if said:
                self._problems.append(Problem(here.file, here.line, here.key, said))

    def _check_numbering(self) -> None:
        """An id is never dropped: every number up to a theme's last is a requirement, or replaced by one."""
        for theme in self.themes:
            live = sorted(natural_order(name)[1] for name in self._rows if natural_order(name)[0] == theme.prefix)
            gone = {natural_order(name)[1] for name in self._replaced if natural_order(name)[0] == theme.prefix}
            expected = 1
            for number in sorted({*live, *gone}):
                name = f"{theme.prefix}-{number:03d}"
                if number != expected and number in live:
                    row = self._rows[name]
                    missing = f"{theme.prefix}-{expected:03d}"
                    said = f"{missing} is missing before {name}: neither a requirement nor named in `replaces`"
                    self._problems.append(Problem(str(row.file), row.line, "", said))
                elif number != expected:
                    here = self._replaced[name][1]
                    said = f"{name} is unknown: the theme {theme.name} never had that many requirements"
                    self._problems.append(Problem(here.file, here.line, here.key, said))
                expected = number + 1

    def _set(self, file: Path) -> None:
        try:
            document = read(file)
            content = validate(document, _SetFile)
        except YamlProblem as error:
            self._problems += error.problems
            return
        if content.name != file.stem:
            said = f"got '{content.name}'; expected '{file.stem}', the name of the file"
            self._problems.append(document.problem(("name",), said))
        seen: set[str] = set()
        parts = {"required": content.required, "reported": content.reported}
        for part, chosen in parts.items():
            for party, ids in chosen.by_party().items():
                for index, name in enumerate(ids):
                    said = self._complaint_about(name, party, seen)
                    if said:
                        self._problems.append(document.problem((part, party, index), said))
                    seen.add(name)
        required, reported = (chosen.by_party() for chosen in parts.values())
        self.sets[content.name] = RequirementSet(content.name, content.date, content.about, required, reported)

    def _complaint_about(self, name: str, party: str, seen: set[str]) -> str:
        row = self._rows.get(name)
        if name in self._replaced:
            return f"{name} was merged into {self._replaced[name][0].id}; use that id"
        if row is None:
            return f"{name} is not in the catalogue{nearest(name, self._rows) or '; remove it'}"
        if row.excluded:
            return f"{name} is excluded, so no run can decide it; remove it"
        if row.party != party:
            return f"{name} binds the {row.party}; move it there"
        return f"{name} is given twice; remove one of them" if name in seen else ""
