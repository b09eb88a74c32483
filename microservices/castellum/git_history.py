"""Implements `policy.castellum.metadata_history.History` with dulwich: git without a subprocess, in a bare repository
on the server's disk.

Objects are written first; then the rename of one ref makes the commit. A process that is killed in between leaves
unreferenced objects. The repository has no working tree: people get the files with `git clone` of it or of its remote.
A writer holds a lock (`alone`), so it removes git's lock files: they belong to dead processes. A reader needs no lock
and removes no lock file.
"""

from __future__ import annotations

import os
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from policy.castellum.metadata_history import HistoryError
from policy.zone.castellum_settings import Castellum

_BRANCH: Any = b"refs/heads/main"
_TRACKING: Any = b"refs/remotes/origin/main"
_HEAD: Any = b"HEAD"
_AUTHOR = b"MrData <mrdata@localhost>"
_FILE_MODE = 0o100644
_PACK_FROM = 100
"""Smallest number of files in one commit that are written as one pack; fewer are written as single objects."""
_TIMEOUT_SECONDS = 60
_STALE_SECONDS = 600
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4"


class GitHistory:
    """The history in `settings.repository`.

    `alone`: the caller holds the lock. If the repository does not exist, it is then made, or fetched from the remote.
    Lock files of dead processes are removed.
    """

    def __init__(self, settings: Castellum, *, alone: bool = False) -> None:
        from dulwich.repo import Repo

        self._settings = settings
        self._path = Path(settings.repository)
        self._trees: dict[bytes, dict[bytes, bytes]] = {}
        with _errors(f"{self._path}"):
            if alone:
                if not self._path.exists():
                    self._create()
                for ref in (_BRANCH, _TRACKING, b"HEAD"):
                    (self._path / f"{ref.decode()}.lock").unlink(missing_ok=True)
            self._repo: Any = Repo(str(self._path))

    def close(self) -> None:
        """Closes its files."""
        self._repo.close()

    def head(self) -> str:
        """The newest commit."""
        with _errors(f"{self._path}"):
            return self._ref(_BRANCH)

    def has(self, commit: str) -> bool:
        """Whether this is a commit of the history."""
        return len(commit) == 40 and commit.encode() in self._repo.object_store

    def files(self, commit: str) -> dict[str, str]:
        """Path -> identity of its content."""
        from dulwich.object_store import iter_tree_contents

        if not commit:
            return {}
        with _errors(f"{self._path}"):
            entries = iter_tree_contents(self._repo.object_store, self._tree(commit))
            return {entry.path.decode(): entry.sha.decode() for entry in entries}

    def identity(self, content: bytes) -> str:
        """git's SHA-1 of a blob (gitformat-pack: `blob <length>\\0` and the content)."""
        import hashlib

        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()

    def changed(self, old: str, new: str) -> list[str]:
        """Whole folders that are the same cost one look."""
        from dulwich.diff_tree import tree_changes

        with _errors(f"{self._path}"):
            before = self._tree(old) if old else None
            found = tree_changes(self._repo.object_store, before, self._tree(new)) if new else []
            ends: list[Any] = [change.new or change.old for change in found]
            return sorted(end.path.decode() for end in ends)

    def read(self, commit: str, path: str) -> bytes | None:
        """A file's content in a commit; None where it has none."""
        with _errors(f"{self._path}"):
            found = self._tree(commit) if commit else b""
            for name in path.encode().split(b"/"):
                found = self._entries(found).get(name, b"") if found else b""
            return bytes(self._repo.object_store[found].data) if found else None

    def commit(self, parent: str, changes: Mapping[str, bytes], message: str) -> str:
        """Objects, then the ref."""
        from dulwich.object_store import commit_tree_changes
        from dulwich.objects import Blob, Commit, Tree

        with _errors(f"{self._path}"):
            store = self._repo.object_store
            blobs = {path: Blob.from_string(content) for path, content in changes.items()}
            if len(blobs) >= _PACK_FROM:
                store.add_objects([(blob, None) for blob in {blob.id: blob for blob in blobs.values()}.values()])
            else:
                for blob in blobs.values():
                    store.add_object(blob)
            root = self._tree(parent) if parent else Tree()
            new: Any = Commit()
            new.tree = commit_tree_changes(
                store, root, [(path.encode(), _FILE_MODE, blob.id) for path, blob in blobs.items()]
            )
            new.parents = [parent.encode()] if parent else []
            new.author = new.committer = _AUTHOR
            new.author_time = new.commit_time = int(time.time())
            new.author_timezone = new.commit_timezone = 0
            new.message = message.encode()
            store.add_object(new)
            refs = self._repo.refs
            if not (
                refs.set_if_equals(_BRANCH, parent.encode(), new.id) if parent else refs.add_if_new(_BRANCH, new.id)
            ):
                raise HistoryError(f"{self._path}: somebody else has committed meanwhile")
            return str(new.id.decode())

    def as_of(self, path: str, moment: float) -> str:
        """Looks at each commit that is newer: for what is asked seldom."""
        head: Any = self.head().encode()
        if not head:
            return ""
        with _errors(f"{self._path}"):
            changing = {"include": [head], "paths": [path.encode()]}
            found = next(iter(self._repo.get_walker(until=int(moment), max_entries=1, **changing)), None)
            for entry in self._repo.get_walker(**changing) if found is None else ():
                found = entry
            return found.commit.id.decode() if found else ""

    def when(self, commit: str) -> str:
        """When a commit was made."""
        with _errors(f"{self._path}"):
            return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._repo[commit.encode()].commit_time))

    def prove(self) -> int:
        """Reads every object of the history and compares it with its name, as `git fsck` does; their number."""
        import hashlib

        with _errors(f"{self._path}"):
            head = self.head().encode()
            waiting, seen = [head] if head else [], set()
            while waiting:
                name = waiting.pop()
                if name in seen:
                    continue
                seen.add(name)
                found = self._repo[name]
                content = found.as_raw_string()
                of = hashlib.sha1(b"%s %d\0" % (found.type_name, len(content)) + content, usedforsecurity=False)
                if of.hexdigest().encode() != name:
                    raise HistoryError(f"{self._path}: the object {name.decode()} is damaged")
                if found.type_name == b"commit":
                    waiting += [found.tree, *found.parents]
                elif found.type_name == b"tree":
                    waiting += [sha for _, _, sha in found.iteritems()]
            return len(seen)

    def push(self) -> bool:
        """Asks nobody where the remote is known to be up to date."""
        head = self.head()
        if not self._settings.remote or not head or self._ref(_TRACKING) == head:
            return False
        with _errors(_shown(self._settings.remote)):
            client, path = self._client()
            try:
                result = client.send_pack(path, lambda refs: self._wanted(refs, head), self._repo.generate_pack_data)
            finally:
                _close(client)
            if fault := (result.ref_status or {}).get(_BRANCH):
                raise HistoryError(f"{_shown(self._settings.remote)}: refuses {_BRANCH.decode()}: {fault}")
            self._repo.refs[_TRACKING] = head.encode()
        return True

    def _wanted(self, refs: Mapping[bytes, bytes], head: str) -> dict[bytes, bytes]:
        from dulwich.graph import can_fast_forward

        old: Any = refs.get(_BRANCH)
        new: Any = head.encode()
        if old and (old not in self._repo.object_store or not can_fast_forward(self._repo, old, new)):
            raise HistoryError(
                f"{_shown(self._settings.remote)}: its branch main holds commits that MrData did not make; "
                "nobody else may write into it: push what is there to another branch and take main back"
            )
        return {_BRANCH: new}

    def _create(self) -> None:
        """A new repository with what the remote has; in its place only when it is whole."""
        from dulwich.repo import Repo

        new = self._path.with_name(f"{self._path.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True, mode=0o700)
        with Repo.init_bare(str(new)) as repo:
            repo.refs.set_symbolic_ref(_HEAD, _BRANCH)
            if self._settings.remote:
                head: Any = self._fetch(repo).get(_BRANCH)
                if head:
                    repo.refs[_BRANCH] = repo.refs[_TRACKING] = head
        os.replace(new, self._path)

    def _fetch(self, repo: Any) -> Mapping[bytes, bytes]:  # noqa: ANN401 - a dulwich.repo.Repo
        """The remote's refs, and what its branch holds."""
        with _errors(_shown(self._settings.remote)):
            client, path = self._client()
            try:
                wanted = client.fetch(
                    path, repo, determine_wants=lambda refs, depth=None: [refs[_BRANCH]] if refs.get(_BRANCH) else []
                )
            finally:
                _close(client)
            return dict(wanted.refs)

    def _client(self) -> tuple[Any, str]:
        from dulwich.client import get_transport_and_path
        from dulwich.config import ConfigDict

        remote = self._settings.remote
        given: dict[str, Any] = {}
        if remote.startswith("https://"):
            config = ConfigDict()
            config.set((b"http",), b"timeout", str(_TIMEOUT_SECONDS).encode())
            given = {"config": config, "username": self._settings.remote_user or None, "password": self._password()}
        elif remote.startswith("file://"):
            _unlock(Path(urlsplit(remote).path))
        else:
            given = {"ssh_command": _SSH}
        return get_transport_and_path(remote, **given)

    def _password(self) -> str | None:
        if not self._settings.remote_token_file:
            return None
        return Path(self._settings.remote_token_file).read_text(encoding="utf-8").strip()

    def _ref(self, name: bytes) -> str:
        try:
            return str(self._repo.refs[name].decode())
        except KeyError:
            return ""

    def _tree(self, commit: str) -> Any:  # noqa: ANN401 - the library's type of an identity
        return self._repo[commit.encode()].tree

    def _entries(self, tree: bytes) -> dict[bytes, bytes]:
        if tree not in self._trees:
            found = self._repo.object_store[tree]
            self._trees[tree] = {name: sha for name, _, sha in found.iteritems()} if found.type_name == b"tree" else {}
        return self._trees[tree]


def _unlock(repository: Path) -> None:
    """A lock file that a killed push has left in a repository of this machine."""
    lock = repository / f"{_BRANCH.decode()}.lock"
    with suppress(FileNotFoundError):
        if time.time() - lock.stat().st_mtime > _STALE_SECONDS:
            lock.unlink()


def _close(client: object) -> None:
    close = getattr(client, "close", None)
    if close:
        close()


def _shown(remote: str) -> str:
    """An address without what may be in front of its host."""
    return (
        remote.rpartition("@")[2]
        if "://" not in remote
        else f"{remote.partition('://')[0]}://{remote.partition('://')[2].rpartition('@')[2]}"
    )


@contextmanager
def _errors(subject: str) -> Iterator[None]:
    """Everything that git, the disk or the network can say becomes a HistoryError."""
    from dulwich.errors import NotGitRepository
    from dulwich.file import FileLocked
    from urllib3.exceptions import HTTPError

    try:
        yield
    except HistoryError:
        raise
    except NotGitRepository as error:
        raise HistoryError(f"{subject}: is not a git repository; make it with `git init --bare`") from error
    except FileLocked as error:
        raise HistoryError(f"{subject}: is locked by another process of git: {error}") from error
    except (OSError, KeyError, ValueError, AssertionError, HTTPError, zlib.error) as error:
        raise HistoryError(f"{subject}: {type(error).__name__}: {error}") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "dulwich":
            raise
        raise HistoryError(f"{subject}: {type(error).__name__}: {error}") from error
