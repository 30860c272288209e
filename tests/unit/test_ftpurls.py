"""URLs as Globus is given them, and the paths that they send."""

from __future__ import annotations

import pytest

from pyGlobus._core.ftpurls import is_relative, path_of, plain_url, wire_url


@pytest.mark.parametrize(
    ("url", "wired", "path"),
    [
        ("ftp://h/~/x/y", "ftp://h:21./x/y", "./x/y"),
        ("ftp://h:2121/~/x", "ftp://h:2121./x", "./x"),
        ("ftp://h:2121/~/", "ftp://h:2121.", "."),
        ("ftp://h/~", "ftp://h:21.", "."),
        ("gsiftp://h/~/a%20b", "gsiftp://h:2811./a%20b", "./a b"),
        ("ftp://me:word@[::1]/~/x", "ftp://me:word@[::1]:21./x", "./x"),
        ("FTP://[::1]:99/~/x", "FTP://[::1]:99./x", "./x"),
        ("ftp://h/x", "ftp://h/x", "/x"),
        ("ftp://h", "ftp://h", "/"),
        ("ftp://h/~me/x", "ftp://h/~me/x", "/~me/x"),
        ("ftp://h/a/~/x", "ftp://h/a/~/x", "/a/~/x"),
        ("ftp://h/%7E/x", "ftp://h/%7E/x", "/~/x"),
        ("file:///~/x", "file:///~/x", "/~/x"),
        ("https://h/~/x", "https://h/~/x", "/~/x"),
        ("sshftp://h/~/x", "sshftp://h/~/x", "/~/x"),
    ],
)
def test_the_login_directory_is_a_relative_path(url: str, wired: str, path: str) -> None:
    assert wire_url(url) == wired
    assert path_of(url) == path
    assert is_relative(url) == (wired != url) == is_relative(wired)
    if wired != url:
        assert wire_url(plain_url(wired)) == wired
    else:
        assert plain_url(url) == url
