"""Which functions of the Globus headers are mapped: ``make api-map``, ``ARGS=--json`` for machines.

A function counts as *mapped* when pyGlobus calls it: as ``lib.<name>`` or
``addressof(lib, "<name>")`` in a module, in the C shim, or as one of the attribute methods that
are made at run time and say so in their docstring (``C: <name>.``).  One that is not mapped on
purpose has its reason in ``unmapped.toml``; every other one is *open*.
"""

from __future__ import annotations

import argparse
import ast
import fnmatch
import functools
import importlib
import inspect
import json
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
REASONS = Path(__file__).with_name("unmapped.toml")

HEADERS = (
    "globus_module.h",
    "globus_error.h",
    "globus_error_generic.h",
    "globus_error_errno.h",
    "globus_error_string.h",
    "globus_error_gssapi.h",
    "globus_error_openssl.h",
    "gssapi.h",
    "globus_gss_assist.h",
    "globus_gsi_credential.h",
    "globus_gsi_proxy.h",
    "globus_gsi_cert_utils.h",
    "globus_gsi_system_config.h",
    "globus_rsl.h",
    "globus_gram_protocol.h",
    "globus_gram_client.h",
    "globus_ftp_client.h",
    "globus_ftp_client_plugin.h",
    "globus_ftp_client_debug_plugin.h",
    "globus_ftp_client_perf_plugin.h",
    "globus_ftp_client_restart_plugin.h",
    "globus_ftp_client_restart_marker_plugin.h",
    "globus_ftp_client_throughput_plugin.h",
    "globus_gass_transfer.h",
    "globus_gass_server_ez.h",
    "globus_gass_copy.h",
)

PACKAGES = (
    "globus-ftp-client",
    "globus-gass-copy",
    "globus-gass-server-ez",
    "globus-gram-client",
    "globus-gss-assist",
    "globus-gssapi-error",
    "globus-rsl",
)


# --- what the headers declare -----------------------------------------------------------------


ATTRIBUTE = re.compile(r"__attribute__\s*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)")
"""with up to three parentheses in each other: ``__attribute__((deprecated("why")))``"""


def own_text(preprocessed: str, header: str) -> str:
    """The lines of a preprocessor's output that come from `header` itself."""
    kept: list[str] = []
    own = False
    for line in preprocessed.splitlines():
        if marker := re.match(r'# \d+ "(.*?)"', line):
            own = Path(marker[1]).name == header
        elif own:
            kept.append(line)
    return "\n".join(kept)


def declared_functions(text: str) -> list[str]:
    """The functions that preprocessed C declares, in their order.

    What is left when bodies, typedefs and attributes are gone is a name before the first
    parenthesis; a pointer to a function has a ``*`` there instead.
    """
    text = re.sub(r'extern\s+"C"\s*\{', "", text)
    text = ATTRIBUTE.sub("", text)
    while re.search(r"\{[^{}]*\}", text):
        text = re.sub(r"\{[^{}]*\}", ";" if ")" in text else "", text)
    names: dict[str, None] = {}
    for statement in text.split(";"):
        found = re.match(r"[\w\s*]*?\b(\w+)\s*\((?!\s*\*)", statement.strip())
        if found and not statement.strip().startswith("typedef"):
            names[found[1]] = None
    return list(names)


@functools.cache
def preprocessed_headers() -> str:
    """All of `HEADERS`, as the compiler sees them."""
    flags = subprocess.run(
        ["pkg-config", "--cflags", *PACKAGES], check=True, capture_output=True, text=True
    ).stdout
    includes = "".join(f"#include <{header}>\n" for header in HEADERS)
    return subprocess.run(
        ["cc", "-E", *shlex.split(flags), "-"],
        input=includes,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def read_header(header: str) -> list[str]:
    """The public functions of an installed header."""
    return declared_functions(own_text(preprocessed_headers(), header))


# --- what pyGlobus uses -----------------------------------------------------------------------


def names_in_python(source: str) -> set[str]:
    """Every ``lib.<name>`` and ``addressof(lib, "<name>")``."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="lib"), attr=name):
                names.add(name)
            case ast.Call(
                func=ast.Attribute(attr="addressof"),
                args=[ast.Name(id="lib"), ast.Constant(value=str(name))],
            ):
                names.add(name)
    return names


def names_in_c(source: str) -> set[str]:
    """Every function that C calls."""
    without_comments = re.sub(r"/\*.*?\*/|//[^\n]*", " ", source, flags=re.DOTALL)
    return set(re.findall(r"\b(\w+)\s*\(", without_comments))


def members(module: Any) -> Iterator[Any]:
    """The attributes of the classes that `module` defines."""
    for _, owner in inspect.getmembers(module, inspect.isclass):
        if owner.__module__ == module.__name__:
            yield from vars(owner).values()


def names_in_docstrings() -> set[str]:
    """What the methods that are made at run time say they call."""
    names = set()
    package = importlib.import_module("pyGlobus")
    for info in pkgutil.walk_packages(package.__path__, "pyGlobus."):
        if info.name.startswith("pyGlobus._native"):
            continue
        for member in members(importlib.import_module(info.name)):
            if inspect.isfunction(member):
                names |= set(re.findall(r"\bC: (\w+)\.", member.__doc__ or ""))
    return names


def used_names() -> set[str]:
    """Every C function that pyGlobus uses."""
    used = names_in_docstrings()
    for path in (ROOT / "src/pyGlobus").rglob("*.py"):
        used |= names_in_python(path.read_text(encoding="utf-8"))
    for path in (ROOT / "src/pyGlobus/_native/shim").glob("*.c"):
        used |= names_in_c(path.read_text(encoding="utf-8"))
    return used


# --- the two together -------------------------------------------------------------------------


@dataclass
class HeaderMap:
    """The functions of one header, each in one of three places."""

    header: str
    mapped: list[str] = field(default_factory=list)
    unmapped: dict[str, str] = field(default_factory=dict)
    """with the reason"""
    open: list[str] = field(default_factory=list)

    @property
    def functions(self) -> int:
        """How many there are."""
        return len(self.mapped) + len(self.unmapped) + len(self.open)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "functions": self.functions,
            "mapped": self.mapped,
            "unmapped": self.unmapped,
            "open": self.open,
        }


def read_reasons() -> dict[str, dict[str, str]]:
    """Per header: a name or pattern, and why what it fits is not mapped."""
    return tomllib.loads(REASONS.read_text(encoding="utf-8"))


def map_header(header: str, used: set[str], reasons: dict[str, str]) -> HeaderMap:
    """Sort the functions of `header`."""
    result = HeaderMap(header)
    for name in read_header(header):
        fitting = [why for pattern, why in reasons.items() if fnmatch.fnmatchcase(name, pattern)]
        if name in used:
            result.mapped.append(name)
        elif fitting:
            result.unmapped[name] = fitting[0]
        else:
            result.open.append(name)
    return result


def table(maps: list[HeaderMap]) -> str:
    """For people: figures, then what is not mapped."""
    lines = [f"{'header':30} {'functions':>9} {'mapped':>7} {'reasons':>8} {'open':>5}"]
    rows = [(m.header, m.functions, len(m.mapped), len(m.unmapped), len(m.open)) for m in maps]
    rows.append(("all", *(sum(column) for column in zip(*(r[1:] for r in rows), strict=True))))  # type: ignore[arg-type]
    lines += [f"{name:30} {n:9} {mapped:7} {why:8} {left:5}" for name, n, mapped, why, left in rows]
    for one in maps:
        if one.unmapped or one.open:
            lines += ["", one.header]
            lines += [f"  {name}: {why}" for name, why in one.unmapped.items()]
            lines += [f"  {name}: open" for name in one.open]
    return "\n".join(lines)


def main() -> int:
    """Print the map."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--header", action="append", choices=HEADERS, help="only this one")
    options = parser.parse_args()
    reasons, used = read_reasons(), used_names()
    maps = [map_header(h, used, reasons.get(h, {})) for h in options.header or HEADERS]
    if options.json:
        print(json.dumps({m.header: m.as_json() for m in maps}, indent=2))
    else:
        print(table(maps))
    return 0


if __name__ == "__main__":
    sys.exit(main())
