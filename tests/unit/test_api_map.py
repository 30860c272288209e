"""The map of the Globus headers (tools/api_map.py): what it reads, and that it adds up."""

from __future__ import annotations

import fnmatch
import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

import api_map  # noqa: E402

DECLARED = """
typedef int (*not_me_t)(void *arg);
typedef struct { int (*nor_me)(void); char name[10]; } thing_t;
extern const thing_t neither;
extern int __attribute__((deprecated("use another"))) old_one(int);
extern "C" {
thing_t *
returns_a_pointer(
    thing_t *                           thing,
    void                                (*callback)(int, void *),
    ...);
static inline int with_a_body(int x) { if (x) { return f(x); } return 0; }
unsigned long several_words (void), *variable;
struct tagged { int x; };
void after_a_struct(struct tagged *);
"""


def test_the_parser_finds_functions_and_nothing_else() -> None:
    assert api_map.declared_functions(DECLARED) == [
        "old_one",
        "returns_a_pointer",
        "with_a_body",
        "several_words",
        "after_a_struct",
    ]


def test_lines_of_included_headers_do_not_count() -> None:
    text = '# 1 "/usr/include/a.h" 1\nint a(void);\n# 9 "/usr/include/b.h" 1 3\nint b(void);'
    assert api_map.own_text(text, "b.h") == "int b(void);"


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("globus_ftp_client.h", ["globus_ftp_client_get", "globus_ftp_client_register_write"]),
        ("gssapi.h", ["gss_acquire_cred", "gss_export_cred", "gss_set_sec_context_option"]),
        # inside GLOBUS_DEPRECATED(...)
        ("globus_gsi_credential.h", ["globus_gsi_cred_handle_attrs_set_search_order"]),
        ("globus_rsl.h", ["globus_rsl_parse"]),
    ],
)
def test_known_functions_are_found_in_installed_headers(header: str, names: list[str]) -> None:
    assert set(names) <= set(api_map.read_header(header))


def test_uses_are_found_in_python_and_in_c() -> None:
    python = 'f(lib.globus_a)\nffi.addressof(lib, "globus_b")\nother.globus_c()\n"lib.globus_d"'
    assert api_map.names_in_python(python) == {"globus_a", "globus_b"}
    assert api_map.names_in_c("/* not_me() */ x = globus_e(1); // nor_me()") == {"globus_e"}


def test_the_json_adds_up() -> None:
    done = subprocess.run(
        [sys.executable, TOOLS / "api_map.py", "--json"], check=True, capture_output=True, text=True
    )
    headers = json.loads(done.stdout)
    assert list(headers) == list(api_map.HEADERS)
    for header in headers.values():
        names = [*header["mapped"], *header["unmapped"], *header["open"]]
        assert len(names) == len(set(names)) == header["functions"] > 0
    assert "globus_ftp_client_get" in headers["globus_ftp_client.h"]["mapped"]


def test_every_reason_is_about_a_function_that_exists() -> None:
    reasons = api_map.read_reasons()
    assert set(reasons) <= set(api_map.HEADERS)
    for header, entries in reasons.items():
        names = api_map.read_header(header)
        for pattern, why in entries.items():
            assert fnmatch.filter(names, pattern), f"{header}: {pattern} fits nothing"
            assert why
