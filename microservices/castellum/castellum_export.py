"""Reads Castellum's export from a folder: for each study a ZIP, or the BIDS participants file out of it.

    <folder>/<StudyID>.zip                     as Castellum gives it: attributes (TSV or JSON) with a schema
    <folder>/<StudyID>.tsv                     a BIDS participants file (BIDS 1.10, Participants file)
    <folder>/<StudyID>.yaml                    next to it, optional: title, members, active

A person puts the files there. Removing an export changes nothing; a study ends when its .yaml says `active: false`.
"""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policy.castellum.mixed_use import shown
from policy.castellum.snapshot import Attributes, Listing, SeenStudy, SourceError
from policy.zone.castellum_settings import Castellum
from policy.zone.layout import NAME

_LARGEST = 64 << 20
"""Bytes of a file, in a ZIP too."""
_QUIET_SECONDS = 5.0
_KINDS = (".zip", ".tsv")
_PARTICIPANT = "participant_id"
_PREFIX = "sub-"


class FolderSource:
    """Reads the folder."""

    lists_all = False

    def __init__(self, settings: Castellum) -> None:
        self._settings, self._folder = settings, Path(settings.folder)

    def close(self) -> None:
        """Nothing is open."""

    def studies(self) -> Listing:
        """Returns one study for each name. SourceError if the folder cannot be read."""
        try:
            files = sorted(
                f
                for f in self._folder.iterdir()
                if f.is_file() and f.suffix in (*_KINDS, ".yaml") and not f.name.startswith(".")
            )
        except OSError as error:
            raise SourceError(f"{self._folder}: {error.strerror}", general=True) from error
        studies, faults = [], {}
        for number, name in enumerate(sorted({f.stem for f in files}), 1):
            try:
                studies.append(self._study(name))
            except SourceError as error:
                faults[name if NAME.fullmatch(name) else f"#{number}"] = str(error)
        return Listing(studies, faults)

    def subjects(self, study: SeenStudy) -> Mapping[str, Attributes]:
        """Reads the subjects from the study's export. SourceError if it is missing, damaged, or still being written."""
        found = [file for kind in _KINDS if (file := self._folder / f"{study.id}{kind}").exists()]
        if len(found) != 1:
            raise SourceError(
                f"{self._folder}: there must be one export of {study.id},"
                f" {' or '.join(f'{study.id}{k}' for k in _KINDS)}"
            )
        content = _content(found[0])
        return (
            self._participants(found[0].name, content)
            if found[0].suffix == ".tsv"
            else self._zip(found[0].name, content)
        )

    def _study(self, name: str) -> SeenStudy:
        import yaml

        if not NAME.fullmatch(name):
            raise SourceError(
                f"the name of its file is {shown(name)} and cannot be a StudyID: 1 to 50 letters, digits, `_`, `.` or"
                " `-` are expected"
            )
        file = self._folder / f"{name}.yaml"
        try:
            held = yaml.safe_load(_content(file)) if file.exists() else {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)  # the error's own text repeats the file's
            raise SourceError(f"{file}: is not YAML in UTF-8{f': line {mark.line + 1}' if mark else ''}") from None
        known = {"title", "members", "active"}
        if not isinstance(held, dict) or set(held) - known:
            raise SourceError(f"{file}: may hold {', '.join(sorted(known))}")
        members, title, active = held.get("members"), held.get("title"), held.get("active", True)
        if members is not None and not (isinstance(members, list) and all(isinstance(m, str) for m in members)):
            raise SourceError(f"{file}: members must be a list of account names")
        if not isinstance(active, bool) or not (title is None or isinstance(title, str)):
            raise SourceError(f"{file}: active must be true or false, title a text")
        return SeenStudy(name, "", title, None if members is None else tuple(members), active)

    def _zip(self, name: str, content: bytes) -> Mapping[str, Attributes]:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                if archive.testzip() is not None:
                    raise SourceError(f"{name}: a file in it is damaged")
                entries = [e for e in archive.infolist() if not e.is_dir()]
                if sum(e.file_size for e in entries) > _LARGEST:
                    raise SourceError(f"{name}: holds more than {_LARGEST} bytes")
                files = {e.filename: archive.read(e) for e in entries}
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise SourceError(f"{name}: is not a complete, unencrypted ZIP ({type(error).__name__})") from error
        tables = [file for file in files if file.endswith(".tsv")]
        texts = [file for file in files if file.endswith(".json") and "schema" not in file.lower()]
        if len(tables) == 1:
            return self._participants(f"{name}, the .tsv in it", files[tables[0]])
        if not tables and len(texts) == 1:
            return self._json(f"{name}, the .json in it", files[texts[0]])
        raise SourceError(
            f"{name}: must hold one .tsv, or one .json next to its schema; it holds {len(files) or 'no'} files"
        )

    def _participants(self, name: str, content: bytes) -> Mapping[str, Attributes]:
        """Reads a TSV whose first column is participant_id; `n/a` stands for no value."""
        if not content.endswith(b"\n"):
            raise SourceError(f"{name}: its last line has no end; was it cut off?")
        try:
            rows = list(
                csv.reader(
                    io.StringIO(content.decode("utf-8-sig"), newline=""),
                    delimiter="\t",
                    quoting=csv.QUOTE_NONE,
                    strict=True,
                )
            )
        except (UnicodeDecodeError, csv.Error) as error:
            raise SourceError(f"{name}: is not TSV in UTF-8: {error}") from error
        if not rows or rows[0][:1] != [_PARTICIPANT] or len(set(rows[0])) != len(rows[0]):
            raise SourceError(
                f"{name}: its first column must be {_PARTICIPANT}, and each column must have a name of its own"
            )
        found: dict[str, Attributes] = {}
        for number, row in enumerate(rows[1:], 2):
            if len(row) != len(rows[0]):
                raise SourceError(f"{name}: line {number} has {len(row)} columns, not {len(rows[0])}")
            _put(found, row[0].removeprefix(_PREFIX), dict(zip(rows[0][1:], row[1:], strict=True)), name)
        return found

    def _json(self, name: str, content: bytes) -> Mapping[str, Attributes]:
        """Reads a list of subjects, or a mapping from pseudonyms to attributes."""
        fields = self._settings.fields
        try:
            held = json.loads(content)
        except ValueError as error:
            raise SourceError(f"{name}: is not JSON: {error}") from error
        found: dict[str, Attributes] = {}
        records: list[tuple[Any, Any]] = []
        if isinstance(held, dict):
            records = list(held.items())
        elif isinstance(held, list):
            for one in held:
                record = one if isinstance(one, dict) else {}
                records.append(
                    (
                        record.get(fields.pseudonym),
                        record.get(fields.attributes, record) if fields.attributes else record,
                    )
                )
        for pseudonym, attributes in records:
            if not isinstance(pseudonym, str) or not isinstance(attributes, dict):
                raise SourceError(f"{name}: a subject lacks {fields.pseudonym!r} or its attributes")
            _put(found, pseudonym, attributes, name)
        return found


def _put(found: dict[str, Attributes], pseudonym: str, attributes: Attributes, name: str) -> None:
    if pseudonym in found:
        raise SourceError(f"{name}: a pseudonym stands twice")
    found[pseudonym] = attributes


def _content(file: Path) -> bytes:
    try:
        stat = file.stat()
        if time.time() - stat.st_mtime < _QUIET_SECONDS:
            raise SourceError(
                f"{file}: was written just now; it is read when it has been left alone for {_QUIET_SECONDS:g} s"
            )
        if stat.st_size > _LARGEST:
            raise SourceError(f"{file}: is larger than {_LARGEST} bytes")
        return file.read_bytes()
    except OSError as error:
        raise SourceError(f"{file}: {error.strerror}") from error
