"""Nothing imports upwards: _native, _core, pyGlobus, cogkit."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
MODULES = sorted(SOURCE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, with absolute names."""
    package = path.relative_to(SOURCE).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{name}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_knows_only_what_is_below_it(path: Path) -> None:
    place = str(path.relative_to(SOURCE))
    for name in imports(path):
        if place.startswith("pyGlobus/"):
            assert not name.startswith("cogkit")
        if place.startswith("pyGlobus/_native/"):
            assert not name.startswith("pyGlobus") or name.startswith("pyGlobus._native")
        if place.startswith("pyGlobus/_core/"):
            assert not name.startswith("pyGlobus.") or name.startswith(
                ("pyGlobus._core", "pyGlobus._native")
            )
        if place.startswith("pyGlobus/_gridftp/"):
            assert not name.startswith(("pyGlobus.ftpClient", "pyGlobus.gassCopy"))
        if place.startswith("cogkit/"):
            assert not name.startswith(("pyGlobus._", "_cffi", "cffi"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_library_knows_another_by_its_public_names(path: Path) -> None:
    """What two of them need is in a layer below both: _core, _gridftp."""
    own = path.relative_to(SOURCE).parts[1].removesuffix(".py")
    for name in imports(path):
        package, library, *rest = [*name.split("."), ""][:3]
        if package == "pyGlobus" and library != own and not library.startswith("_"):
            module = SOURCE / "pyGlobus" / library / f"{rest[0]}.py"
            assert not (rest and module.exists()), f"{name}: import it from pyGlobus.{library}"


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """What is imported for type checkers only counts as well: a reader follows it, too."""
    names = {module_name(path): path for path in MODULES}
    below = {
        name: {
            found
            for imported in imports(path)
            for found in [imported if imported in names else imported.rpartition(".")[0]]
            if found in names and found != name
        }
        for name, path in names.items()
    }
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> None:
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            for other in sorted(below[name]):
                visit(other, [*way, name])
            done.add(name)

    for name in names:
        visit(name, [])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_can_be_read_at_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 600
