"""Write the type stub of the border from its declarations: ``python tools/native_stub.py``.

mypy cannot look into a C extension.  With the stub it knows every function of `lib` by name and
number of arguments, so that ``lib.globus_fto_client_get`` is found before it runs.  Pointers are
`Any`, in and out: their C types are checked by cffi.

``--check`` writes nothing and fails when the stub in the tree is not what would be written.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any

import cffi
from cffi import model

NATIVE = Path(__file__).parent.parent / "src/pyGlobus/_native"
STUB = NATIVE / "_border.pyi"

HEAD = '''\
# Made by tools/native_stub.py from decl/*.h; `make lint` fails when it is out of date.
# fmt: off
# ruff: noqa

from typing import Any, Final, Literal, final, overload

_Callback = Literal[
{callbacks}
]

class _CData: ...
class _CType: ...
class _Lib: ...

@final
class _FFI:
    """The part of a compiled cffi.FFI that takes and gives objects; there is nothing to declare."""

    CData: type[_CData]
    CType: type[_CType]
    NULL: Any
    errno: int
    error: type[Exception]
    @overload
    def addressof(self, library: _Lib, name: _Callback, /) -> Any: ...
    @overload
    def addressof(self, cdata: _CData, /, *fields_or_indexes: str | int) -> Any: ...
    def alignof(self, cdecl: Any, /) -> int: ...
    def buffer(self, cdata: Any, size: int = -1) -> Any: ...
    def cast(self, cdecl: str | _CType, value: Any) -> Any: ...
    def from_buffer(
        self, cdecl: Any, python_buffer: Any = ..., require_writable: bool = False
    ) -> Any: ...
    def from_handle(self, x: Any, /) -> Any: ...
    def gc(self, cdata: Any, destructor: Any, size: int = 0) -> Any: ...
    def getctype(self, cdecl: Any, replace_with: str = "") -> str: ...
    def memmove(self, dest: Any, src: Any, n: int) -> None: ...
    def new(self, cdecl: str | _CType, init: Any = None) -> Any: ...
    def new_handle(self, x: Any, /) -> Any: ...
    def offsetof(self, cdecl: Any, /, *fields_or_indexes: str | int) -> int: ...
    def release(self, cdata: Any, /) -> None: ...
    def sizeof(self, cdecl: Any, /) -> int: ...
    def string(self, cdata: Any, maxlen: int = -1) -> Any: ...
    def typeof(self, cdecl: Any, /) -> _CType: ...
    def unpack(self, cdata: Any, length: int) -> Any: ...

ffi: Final[_FFI]

'''


def python_type(c_type: model.BaseTypeByIdentity) -> str:
    """What `c_type` is in Python, in and out."""
    if isinstance(c_type, model.VoidType):
        return "None"
    if isinstance(c_type, model.UnknownIntegerType | model.EnumType):
        return "int"
    if isinstance(c_type, model.PrimitiveType):
        if c_type.is_integer_type():
            return "bool" if c_type.name == "_Bool" else "int"
        return "bytes" if c_type.is_char_type() else "float"
    return "Any"


def signature(name: str, function: Any) -> str:
    """The method of `lib` for one C function; cffi takes arguments by position only."""
    arguments = [f"_{i}: {python_type(a)}" for i, a in enumerate(function.args)]
    taken = ", ".join(["self", *arguments, "/", *(["*_: Any"] if function.ellipsis else [])])
    return f"    def {name}({taken}) -> {python_type(function.result)}: ..."


def read_declarations() -> dict[str, Any]:
    """Every declaration that the extension is built from, by cffi's own parser."""
    spec = importlib.util.spec_from_file_location("build", NATIVE / "build.py")
    assert spec
    assert spec.loader
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    ffi = cffi.FFI()
    for name in build.DECLARATIONS:
        ffi.cdef((NATIVE / "decl" / f"{name}.h").read_text(encoding="utf-8"))
    # cffi has no public way to list what was declared
    return {key: declared for key, (declared, _) in ffi._parser._declarations.items()}  # type: ignore[attr-defined]


def stub() -> str:
    """The text of the stub."""
    functions, constants = {}, {}
    for key, declared in read_declarations().items():
        kind, _, name = key.partition(" ")
        if kind == "function":
            functions[name] = signature(name, declared)
        elif kind == "macro":
            constants[name] = f"    {name}: Final[int]"
        elif kind in ("constant", "variable"):
            constants[name] = f"    {name}: Final[{python_type(declared)}]"
        elif isinstance(declared, model.EnumType):
            constants |= {value: f"    {value}: Final[int]" for value in declared.enumerators}
    # the functions whose address is taken: the shim's own callbacks, those of a symbol table, and
    # one that is called with the interpreter's lock
    taken = ("cog_on_", "globus_hashtable_string_", "cog_activate_with_proxy")
    callbacks = "\n".join(f'    "{n}",' for n in sorted(functions) if n.startswith(taken))
    members = [text for _, text in sorted(constants.items()) + sorted(functions.items())]
    head = HEAD.replace("class _Lib: ...", "\n".join(["class _Lib:", *members]))
    return head.replace("{callbacks}", callbacks) + "lib: Final[_Lib]\n"


def main() -> int:
    """Write the stub, or check it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only tell whether it is up to date")
    wanted = stub()
    if parser.parse_args().check:
        if not STUB.exists() or STUB.read_text(encoding="utf-8") != wanted:
            print(f"{STUB.name} is out of date: run python tools/native_stub.py", file=sys.stderr)
            return 1
        return 0
    STUB.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
