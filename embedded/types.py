"""The values that rules see, as the Python rule engine plugin shows them: module `irods_types` (its
src/types/irods/*.cpp).

They are as awkward as the plugin's: a CharArray is not a str, a KeyValPair has no `in` and no `get`, a field without a
setter cannot be assigned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

MAX_NAME_LEN = 1088
NAME_LEN = 64
INT_MAX = 2**31 - 1


Field = Any
"""A field of a struct: a number, a text, another struct."""


class CharArray:
    """A `char[size]` of a C struct. Holds UTF-8 bytes up to the first NUL; an item is one byte.

    What is assigned to an item is the first byte of the text's UTF-8 form (Boost.Python takes a str for a char
    pointer), so only ASCII characters can be written one by one, and a slice is filled with one character when a str is
    assigned to it.
    """

    __hash__ = object.__hash__

    def __init__(self, text: str = "", size: int = MAX_NAME_LEN) -> None:
        data = text.encode(errors="surrogateescape")[: size - 1]
        self._bytes = bytearray(data + bytes(size - len(data)))

    def __str__(self) -> str:
        return self._bytes[: self._bytes.find(0) if 0 in self._bytes else None].decode()

    def __len__(self) -> int:
        return len(self._bytes)

    def __iter__(self) -> Iterator[str]:
        return (self._character(byte) for byte in bytes(self._bytes))

    def __contains__(self, character: object) -> bool:
        return isinstance(character, str) and self._byte(character) in self._bytes

    @staticmethod
    def _character(byte: int) -> str:
        return bytes([byte]).decode()

    @staticmethod
    def _byte(value: object) -> int:
        if not isinstance(value, str):
            raise TypeError("Invalid assignment")
        return (value.encode() or b"\0")[0]

    def _place(self, index: int) -> int:
        if not isinstance(index, int):
            raise TypeError("Invalid index type")
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError("Index out of range")
        return place

    def __getitem__(self, index: int | slice) -> str | CharArray:
        if isinstance(index, slice):
            start, stop = self._bounds(index)
            part = CharArray(size=max(stop - start, 0) or 1)
            part._bytes = self._bytes[start:stop]
            return part
        return self._character(self._bytes[self._place(index)])

    def _bounds(self, index: slice) -> tuple[int, int]:
        if index.step is not None:
            raise IndexError("slice step size not supported.")
        start, stop, _ = index.indices(len(self))
        return start, stop

    def __setitem__(self, index: int | slice, value: str | Iterable[str]) -> None:
        if not isinstance(index, slice):
            self._bytes[self._place(index)] = self._byte(value)
            return
        start, stop = self._bounds(index)
        if isinstance(value, str):
            self._bytes[start:stop] = bytes([self._byte(value)]) * max(stop - start, 0)
            return
        data = bytes(self._byte(item) for item in value)
        if len(data) != stop - start:
            raise TypeError("Array length is immutable")
        self._bytes[start:stop] = data

    def __delitem__(self, index: object) -> None:
        raise TypeError("Cannot delete array item")


class CString(CharArray):
    """A `char *`: as long as its text and the NUL."""

    def __init__(self, text: str) -> None:
        super().__init__(text, len(text.encode(errors="surrogateescape")) + 1)


class _Array:
    """An array of structs: indices and iteration, nothing else."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = list(items)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __getitem__(self, index: int) -> Field:
        if not isinstance(index, int):
            raise TypeError("Invalid index type")
        return self._items[index]


class KeyValPair:
    """`len`, `key[i]`, `value[i]` and `[name]` (KeyError); no `in`, no `get`, no iteration."""

    def __init__(self, pairs: Mapping[str, str] | None = None) -> None:
        self._pairs = dict(pairs or {})

    @property
    def len(self) -> int:
        return len(self._pairs)

    @property
    def key(self) -> _Array:
        return _Array(CString(name) for name in self._pairs)

    @property
    def value(self) -> _Array:
        return _Array(CString(value) for value in self._pairs.values())

    def __getitem__(self, name: str) -> str:
        if not isinstance(name, str):
            raise TypeError("KeyValPair takes the name of a key")
        if name not in self._pairs:
            raise KeyError(f"{name} was not found in the list of keys.")
        return self._pairs[name]

    __iter__ = None
    __contains__ = None


def pairs_of(pairs: KeyValPair) -> dict[str, str]:
    """The zone's own way into a KeyValPair."""
    return pairs._pairs


class BytesBuf:
    """`get_bytes()` gives a list of ints; `clear_buffer()` frees it, and is the caller's duty."""

    def __init__(self, len: int = 0, buf: None = None) -> None:
        if buf is not None:
            raise RuntimeError("Pointers may not be reliably set from within the constructor at this time")
        self._data: bytes | None = None
        self._len = len

    @property
    def len(self) -> int:
        return self._len

    @property
    def buf(self) -> CharArray | None:
        if self._data is None:
            return None
        view = CharArray(size=1)
        view._bytes = bytearray(self._data)
        return view

    def get_byte(self, index: int) -> int:
        if self._data is None or not 0 <= index < self._len:
            raise IndexError("BytesBuf out-of-range access")
        return self._data[index]

    def get_bytes(self) -> list[int]:
        return list(self._data or b"")

    def set_buffer(self, data: Iterable[int], length: int = -1) -> None:
        items = list(data)
        if any(not isinstance(item, int) for item in items):
            raise TypeError("set_buffer takes a sequence of integers")
        self._data = bytes(items[: length if length >= 0 else None])
        self._len = len(self._data)

    def clear_buffer(self) -> None:
        self._data = None
        self._len = 0


def buffer_of(data: bytes) -> BytesBuf:
    """A BytesBuf that holds these bytes."""
    buffer = BytesBuf()
    buffer._data = data
    buffer._len = len(data)
    return buffer


def bytes_of(buffer: BytesBuf) -> bytes:
    """The zone's own way into a BytesBuf."""
    return buffer._data or b""


class _Struct:
    """A C struct: its fields can be read; those in `_writable` can be set."""

    _writable: frozenset[str] = frozenset()

    def __init__(self, **fields: Field) -> None:
        self.__dict__.update(fields)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Field: ...

    def __setattr__(self, name: str, value: Field) -> None:
        if name not in self._writable:
            raise AttributeError(f"can't set attribute {name!r}")
        self.__dict__[name] = value


class FileLseekOut_t(_Struct):
    """`offset` after a seek."""

    def __init__(self, offset: int = 0) -> None:
        super().__init__(offset=offset)


class RodsObjStat(_Struct):
    """objType: 1 data object, 2 collection."""

    _writable = frozenset({"objSize", "objType", "dataMode", "specColl"})

    def __init__(self, objSize: int = 0, objType: int = 0, dataMode: int = 0, **texts: str) -> None:
        fields = {
            n: CharArray(texts.get(n, ""), s)
            for n, s in (("dataId", NAME_LEN), ("chksum", NAME_LEN + 4), ("ownerName", NAME_LEN))
        }
        fields |= {
            n: CharArray(texts.get(n, ""), s)
            for n, s in (("ownerZone", NAME_LEN), ("createTime", 32), ("modifyTime", 32))
        }
        super().__init__(
            objSize=objSize,
            objType=objType,
            dataMode=dataMode,
            specColl=None,
            rescHier=CharArray(texts.get("rescHier", "")),
            **fields,
        )


class GenQueryInp(_Struct):
    """A parsed query. `maxRows` rows a page; `options` as in rodsGenQuery.h."""

    _writable = frozenset({"maxRows", "continueInx", "rowOffset", "options", "condInput", "selectInp", "sqlCondInp"})

    def __init__(self, maxRows: int = 0, continueInx: int = 0, rowOffset: int = 0, options: int = 0) -> None:
        super().__init__(
            maxRows=maxRows, continueInx=continueInx, rowOffset=rowOffset, options=options, condInput=KeyValPair()
        )
        self.__dict__["parsed"] = None


class SqlResult(_Struct):
    """One column of a page: `row(i)`."""

    def __init__(self, values: list[str], attriInx: int = 0) -> None:
        super().__init__(
            attriInx=attriInx, len=max([len(value.encode(errors="surrogateescape")) for value in values], default=0) + 1
        )
        self.__dict__["_values"] = values

    def row(self, index: int) -> str:
        if not isinstance(index, int) or index < 0:
            raise TypeError("row takes the number of a row")
        return str(self.__dict__["_values"][index]) if index < len(self.__dict__["_values"]) else ""

    @property
    def value(self) -> None:
        raise RuntimeError(
            'Value cannot be directly accessed due to unknown number of rows, use the "row" property instead.'
        )


class GenQueryOut(_Struct):
    """One page of a query's answer. `continueInx` > 0 while there may be more: msiGetMoreRows."""

    def __init__(
        self,
        rowCnt: int = 0,
        attriCnt: int = 0,
        continueInx: int = 0,
        totalRowCount: int = 0,
        columns: Sequence[list[str]] = (),
        attributes: Sequence[int] = (),
    ) -> None:
        named = [*attributes, *[0] * (len(columns) - len(attributes))]
        results = _Array(SqlResult(column, attribute) for column, attribute in zip(columns, named, strict=True))
        super().__init__(
            rowCnt=rowCnt, attriCnt=attriCnt, continueInx=continueInx, totalRowCount=totalRowCount, sqlResult=results
        )


class DataObjInp(_Struct):
    """What most operations on data objects take; `objPath` can be rewritten character by character."""

    _writable = frozenset({"specColl"})

    def __init__(
        self,
        path: str = "",
        pairs: Mapping[str, str] | None = None,
        *,
        dataSize: int = 0,
        openFlags: int = 0,
        oprType: int = 0,
    ) -> None:
        super().__init__(
            objPath=CharArray(path),
            createMode=0,
            openFlags=openFlags,
            offset=0,
            dataSize=dataSize,
            numThreads=0,
            oprType=oprType,
        )
        self.__dict__.update(specColl=None, condInput=KeyValPair(pairs))


class DataObjCopyInp(_Struct):
    """What copying and renaming take: `srcDataObjInp`, `destDataObjInp`."""

    def __init__(self, source: DataObjInp, destination: DataObjInp) -> None:
        super().__init__(srcDataObjInp=source, destDataObjInp=destination)


class OpenedDataObjInp(_Struct):
    """What operations on an open replica take: no path, a descriptor."""

    def __init__(self, l1descInx: int, len: int = 0) -> None:
        super().__init__(
            l1descInx=l1descInx, len=len, whence=0, oprType=0, offset=0, bytesWritten=0, condInput=KeyValPair()
        )


class CollInp(_Struct):
    """What operations on collections take: `collName`."""

    def __init__(self, path: str, pairs: Mapping[str, str] | None = None) -> None:
        super().__init__(collName=CharArray(path), flags=0, oprType=0, condInput=KeyValPair(pairs))


class ModAccessControlInp(_Struct):
    """What ichmod takes."""

    def __init__(self, path: str, user: str, level: str, recursive: bool) -> None:
        texts = {"accessLevel": level, "userName": user, "zone": "", "path": path}
        super().__init__(recursiveFlag=int(recursive), **{name: CString(value) for name, value in texts.items()})


class BulkOprInp(_Struct):
    """`attriArray.sqlResult[0].row(i)` are the paths, `attriArray.rowCnt` of them."""

    def __init__(self, collection: str, columns: list[list[str]]) -> None:
        rows = GenQueryOut(len(columns[0]), len(columns), 0, 0, columns)
        super().__init__(objPath=CharArray(collection), attriArray=rows, condInput=KeyValPair())


class AuthInfo(_Struct):
    """`authFlag`: 3 local user, 5 local rodsadmin (rodsUser.h)."""

    def __init__(self, flag: int) -> None:
        super().__init__(
            authScheme=CharArray("native", NAME_LEN),
            authFlag=flag,
            flag=0,
            ppid=0,
            host=CharArray("", NAME_LEN),
            authStr=CharArray("", NAME_LEN),
        )


class UserInfo(_Struct):
    """`userName`, `rodsZone`, `userType`, `authInfo`."""

    def __init__(self, name: str, zone: str, kind: str, flag: int) -> None:
        super().__init__(
            userName=CharArray(name, NAME_LEN), rodsZone=CharArray(zone, NAME_LEN), userType=CharArray(kind, NAME_LEN)
        )
        self.__dict__.update(sysUid=0, authInfo=AuthInfo(flag))


class RsComm(_Struct):
    """The connection: `clientUser`, `proxyUser`."""

    def __init__(self, client: UserInfo, proxy: UserInfo) -> None:
        super().__init__(
            clientUser=client,
            proxyUser=proxy,
            clientAddr=CharArray("127.0.0.1", NAME_LEN),
            option=CharArray("embedded", NAME_LEN),
        )
        self.__dict__.update(connectCnt=0, status=0)


class RuleExecInfo(_Struct):
    """`rei`: the users of the call. Only static enforcement points use `doi` and `doinp`."""

    _writable = frozenset({"doinp", "doi", "rsComm", "uoic", "uoip"})

    def __init__(self, comm: RsComm) -> None:
        super().__init__(status=0, rsComm=comm, uoic=comm.clientUser, uoip=comm.proxyUser, doi=None, doinp=None)
        self.__dict__.update(ruleName=CharArray("", NAME_LEN), rescName=CharArray("", NAME_LEN), msParamArray=None)


class PluginContext:
    """`map()`: what is known of the object and of the connection, all texts."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    @property
    def rule_results(self) -> str:
        return ""

    def map(self) -> dict[str, str]:
        return dict(self._values)


_EXPORTED = (
    KeyValPair,
    BytesBuf,
    FileLseekOut_t,
    RodsObjStat,
    GenQueryInp,
    SqlResult,
    GenQueryOut,
    DataObjInp,
    DataObjCopyInp,
)
_EXPORTED += (
    OpenedDataObjInp,
    CollInp,
    BulkOprInp,
    ModAccessControlInp,
    AuthInfo,
    UserInfo,
    RsComm,
    RuleExecInfo,
    PluginContext,
)  # type: ignore[assignment]


def types_module() -> ModuleType:
    """A module `irods_types` with the types under the plugin's names."""
    module = ModuleType("irods_types", "Types of the Python rule engine plugin.")
    vars(module).update({kind.__name__: kind for kind in _EXPORTED})
    vars(module).update(char_array=CharArray, c_string=CString, FileLseekOut=FileLseekOut_t)
    return module
