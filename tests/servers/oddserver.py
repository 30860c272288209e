"""A small FTP server that answers as odd ones are reported to.

::

    with OddServer(tmp_path) as server:
        server.without = {"MLST", "MLSD"}                    # 500 Unknown command.
        server.replies["SIZE"] = "550 Datei nicht gefunden"  # whatever is asked
        server.replies["STOR"] = ["425 Try again."]          # once; then its own answer
        server.listings["LIST"] = b"-rw-r--r-- 1 a a 4 Jan  1  2020 ../escaped\n"
        FtpClient().listdir(f"{server.url}/").result()
        assert "LIST /" in server.commands

It serves a real directory as the root of its tree, in the clear, to anybody, without MODE E.
Every attribute may be changed while it runs.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

DROP = "drop"
"""As a reply: the connection is closed without a word."""

Reply = str | list[str] | Callable[[str], str | None]


class OddServer:
    """An FTP server on a loopback address, one thread for each connection.

    Args:
        root: The directory that is the root of its tree.
        host: ``127.0.0.1``, ``::1``, or another of this machine's loopback addresses.
        home: Where a session begins, a path in its tree.
    """

    def __init__(self, root: Path, *, host: str = "127.0.0.1", home: str = "/") -> None:
        self.root = root
        self.host = host
        self.home = home
        (root / home.lstrip("/")).mkdir(parents=True, exist_ok=True)
        #: Answers by command (``SIZE``) or by command and argument (``SIZE /x``): always this,
        #: each of a list once, or what a function of the line says (None: the server's own).
        self.replies: dict[str, Reply] = {}
        #: What comes down the data connection of LIST, NLST, MLSD; also what MLST and STAT tell;
        #: by command or by command and argument.
        self.listings: dict[str, bytes] = {}
        #: Commands that it does not know.
        self.without: set[str] = set()
        #: The lines of FEAT.
        self.features = ["MDTM", "SIZE", "REST STREAM", "MLST type*;size*;modify*;", "UTF8"]
        #: Its words for a code, such as ``{550: "Zugriff verweigert"}``.
        self.texts: dict[int, str] = {}
        self.greeting = "220 odd"
        #: How many connections it allows at once.
        self.most_connections = 1000
        #: Whether RNTO replaces a file that exists.
        self.rename_replaces = True
        #: The address at which it listens for data.
        self.data_host = host
        #: The end of the lines of listings.
        self.newline = b"\r\n"
        #: Every line that came, without passwords.
        self.commands: list[str] = []
        #: How many connections there have been.
        self.connections = 0
        self._open: set[_Session] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closing = False
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self._run(self._accept)

    @property
    def url(self) -> str:
        """``ftp://HOST:PORT``, with an IPv6 address in brackets."""
        return f"ftp://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def open_connections(self) -> int:
        """How many sessions there are now."""
        return len(self._open)

    def verbs(self) -> list[str]:
        """The commands that came, without their arguments."""
        return [line.partition(" ")[0].upper() for line in self.commands]

    def end_sessions(self, words: str = "421 Timeout.") -> None:
        """As a server whose clients were idle for too long: says so, and closes."""
        with self._lock:
            sessions = list(self._open)
        for session in sessions:
            with contextlib.suppress(OSError):
                if words:
                    session.say(words)
            session.close()

    def hang_up(self) -> None:
        """Close every session without a word."""
        self.end_sessions("")

    def close(self) -> None:
        """Close every connection, and wait until all threads have ended."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sessions = list(self._open)
        for session in sessions:
            session.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            # a second reply goes without waiting until the first has been confirmed
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        session = _Session(self, connection)
        with self._lock:
            full = len(self._open) >= self.most_connections
            if not full:
                self._open.add(session)
        try:
            if full:
                session.say("421 Too many connections (1) from this user")
            elif not self._closing:
                session.serve()
        except OSError:
            pass  # the client has gone
        finally:
            session.close()
            with self._lock:
                self._open.discard(session)

    def own_answer(self, line: str) -> str | None:
        """What the test has set for this command, if anything."""
        verb = line.partition(" ")[0].upper()
        for key in (line, verb):
            reply = self.replies.get(key)
            if isinstance(reply, list):
                if reply:
                    return reply.pop(0)
            elif callable(reply):
                if (answer := reply(line)) is not None:
                    return answer
            elif reply is not None:
                return reply
        return "500 Unknown command." if verb in self.without else None


class _Refused(Exception):
    def __init__(self, code: int, text: str) -> None:
        self.code, self.text = code, text


class _Session:
    def __init__(self, server: OddServer, connection: socket.socket) -> None:
        self.server = server
        self.connection = connection
        self.cwd = server.home
        self.rename_from: Path | None = None
        self.offset = 0
        self._passive: socket.socket | None = None
        self._active: tuple[str, int] | None = None

    def say(self, text: str) -> None:
        self.connection.sendall(text.encode("utf-8", "surrogateescape") + b"\r\n")

    def close(self) -> None:
        for one in (self.connection, self._passive):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    def serve(self) -> None:
        self.say(self.server.greeting)
        with self.connection.makefile("rb") as lines:
            for raw in lines:
                line = raw.decode("utf-8", "surrogateescape").rstrip("\r\n")
                verb, _, argument = line.partition(" ")
                verb = verb.upper()
                self.server.commands.append("PASS" if verb == "PASS" else line)
                if (answer := self.server.own_answer(line)) is not None:
                    if answer == DROP:
                        return
                    self.say(answer)
                    continue
                method = getattr(self, f"do_{verb.lower()}", None)
                if method is None:
                    self.say("500 Unknown command.")
                    continue
                try:
                    method(argument)
                except _Refused as refused:
                    text = self.server.texts.get(refused.code, refused.text)
                    self.say(f"{refused.code} {text}")
                except OSError as error:
                    text = self.server.texts.get(550, os.strerror(error.errno or 5))
                    self.say(f"550 {text}")
                if verb == "QUIT":
                    return

    # ---- paths -----------------------------------------------------------------------

    def virtual(self, argument: str) -> str:
        path = posixpath.normpath(posixpath.join(self.cwd, argument))
        return "/" + path.lstrip("/")

    def real(self, argument: str) -> Path:
        return self.server.root / self.virtual(argument).lstrip("/")

    # ---- the session -----------------------------------------------------------------

    def do_user(self, name: str) -> None:
        self.say("331 Password?")

    def do_pass(self, word: str) -> None:
        self.say("230 Logged in.")

    def do_quit(self, argument: str) -> None:
        self.say("221 Goodbye.")

    def do_noop(self, argument: str) -> None:
        self.say("200 OK.")

    def do_syst(self, argument: str) -> None:
        self.say("215 UNIX Type: L8")

    def do_feat(self, argument: str) -> None:
        lines = "".join(f" {feature}\r\n" for feature in self.server.features)
        self.say(f"211-Features:\r\n{lines}211 End")

    def do_opts(self, argument: str) -> None:
        self.say("200 OK.")

    def do_type(self, argument: str) -> None:
        self.say("200 OK.")

    def do_mode(self, argument: str) -> None:
        self.say("200 OK." if argument.upper() == "S" else "504 Bad MODE command.")

    def do_stru(self, argument: str) -> None:
        self.say("200 OK." if argument.upper() == "F" else "504 Bad STRU command.")

    def do_rest(self, argument: str) -> None:
        self.offset = int(argument)
        self.say(f"350 Restart at {self.offset}.")

    def do_pwd(self, argument: str) -> None:
        self.say(f'257 "{self.cwd.replace(chr(34), chr(34) * 2)}" is the current directory')

    def do_cwd(self, argument: str) -> None:
        if not self.real(argument).is_dir():
            raise _Refused(550, "Failed to change directory.")
        self.cwd = self.virtual(argument)
        self.say("250 Directory successfully changed.")

    def do_cdup(self, argument: str) -> None:
        self.do_cwd("..")

    # ---- files -----------------------------------------------------------------------

    def do_size(self, argument: str) -> None:
        path = self.real(argument)
        if not path.is_file():
            raise _Refused(550, "Could not get file size.")
        self.say(f"213 {path.stat().st_size}")

    def do_mdtm(self, argument: str) -> None:
        path = self.real(argument)
        if not path.is_file():
            raise _Refused(550, "Could not get file modification time.")
        self.say(f"213 {_time(path.stat())}")

    def do_dele(self, argument: str) -> None:
        self.real(argument).unlink()
        self.say("250 Deleted.")

    def do_mkd(self, argument: str) -> None:
        self.real(argument).mkdir()
        self.say(f'257 "{self.virtual(argument)}" created')

    def do_rmd(self, argument: str) -> None:
        self.real(argument).rmdir()
        self.say("250 Removed.")

    def do_rnfr(self, argument: str) -> None:
        path = self.real(argument)
        path.lstat()
        self.rename_from = path
        self.say("350 Ready for RNTO.")

    def do_rnto(self, argument: str) -> None:
        target, self_from = self.real(argument), self.rename_from
        if self_from is None:
            raise _Refused(503, "RNFR required first.")
        if not self.server.rename_replaces and os.path.lexists(target):
            raise _Refused(550, "File exists.")
        self_from.rename(target)
        self.say("250 Renamed.")

    def do_site(self, argument: str) -> None:
        words = argument.split(" ", 2)
        if words[0].upper() != "CHMOD" or len(words) != 3:
            raise _Refused(500, "Unknown SITE command.")
        self.real(words[2]).chmod(int(words[1], 8))
        self.say("200 OK.")

    # ---- listings --------------------------------------------------------------------

    def _listing(self, verb: str, argument: str) -> bytes | None:
        line = f"{verb} {argument}" if argument else verb
        return self.server.listings.get(line, self.server.listings.get(verb))

    def _names(self, argument: str) -> Iterator[tuple[str, os.stat_result]]:
        path = self.real(argument)
        if not path.is_dir():
            yield argument, path.lstat()
            return
        for entry in sorted(path.iterdir()):
            yield entry.name, entry.lstat()

    def _send_lines(self, verb: str, argument: str, lines: Callable[[], list[str]]) -> None:
        data = self._listing(verb, argument)
        if data is None:
            text = "".join(f"{line}\n" for line in lines())
            data = text.encode("utf-8", "surrogateescape").replace(b"\n", self.server.newline)
        with self._data() as data_connection:
            data_connection.sendall(data)
        self.say("226 Done.")

    def do_list(self, argument: str) -> None:
        words = [word for word in argument.split(" ") if not word.startswith("-")]
        path = " ".join(words)

        def lines() -> list[str]:
            return [_long(self.real(path), name, about) for name, about in self._names(path)]

        self._send_lines("LIST", argument, lines)

    def do_nlst(self, argument: str) -> None:
        self._send_lines("NLST", argument, lambda: [name for name, _ in self._names(argument)])

    def do_mlsd(self, argument: str) -> None:
        if "MLSD" not in self.server.listings and not self.real(argument).is_dir():
            raise _Refused(501, "Not a directory.")
        self._send_lines(
            "MLSD",
            argument,
            lambda: [_facts(about) + " " + name for name, about in self._names(argument)],
        )

    def do_mlst(self, argument: str) -> None:
        line = self._listing("MLST", argument)
        text = (
            _facts(self.real(argument).lstat()) + " " + self.virtual(argument)
            if line is None
            else line.decode("utf-8", "surrogateescape")
        )
        self.say(f"250-Listing\r\n {text}\r\n250 End")

    def do_stat(self, argument: str) -> None:
        data = self._listing("STAT", argument)
        if data is None:
            lines = [_long(self.real(argument), *item) for item in self._names(argument)]
            text = "".join(f"{line}\r\n" for line in lines)
        else:
            text = data.decode("utf-8", "surrogateescape")
        self.say(f"213-Status follows:\r\n{text}213 End of status")

    # ---- data ------------------------------------------------------------------------

    def _listen(self) -> int:
        if self._passive is not None:
            self._passive.close()
        family = self.connection.family
        self._passive = socket.create_server((self.server.data_host, 0), family=family)
        self._passive.settimeout(20)
        self._active = None
        port: int = self._passive.getsockname()[1]
        return port

    def do_pasv(self, argument: str) -> None:
        if ":" in self.server.host:
            raise _Refused(425, "You cannot use PASV on IPv6 connections. Use EPSV instead.")
        port = self._listen()
        numbers = ",".join([*self.server.data_host.split("."), str(port >> 8), str(port & 255)])
        self.say(f"227 Entering Passive Mode ({numbers}).")

    def do_epsv(self, argument: str) -> None:
        self.say(f"229 Entering Extended Passive Mode (|||{self._listen()}|)")

    def do_port(self, argument: str) -> None:
        numbers = argument.split(",")
        self._active = (".".join(numbers[:4]), int(numbers[4]) * 256 + int(numbers[5]))
        self.say("200 OK.")

    def do_eprt(self, argument: str) -> None:
        _, _, host, port, _ = argument.split(argument[0])
        self._active = (host, int(port))
        self.say("200 OK.")

    @contextlib.contextmanager
    def _data(self) -> Iterator[socket.socket]:
        if self._passive is None and self._active is None:
            raise _Refused(425, "Use PORT or PASV first.")
        self.say("150 Here it comes.")
        if self._active is not None:
            connection = socket.create_connection(self._active, timeout=20)
        else:
            assert self._passive is not None
            connection, _ = self._passive.accept()
        with connection:
            yield connection
        if self._passive is not None:
            self._passive.close()
        self._passive = self._active = None

    def do_retr(self, argument: str) -> None:
        offset, self.offset = self.offset, 0
        with self.real(argument).open("rb") as file, self._data() as connection:
            file.seek(offset)
            connection.sendfile(file, offset)
        self.say("226 Transfer complete.")

    def do_stor(self, argument: str, mode: str = "wb") -> None:
        offset, self.offset = self.offset, 0
        path = self.real(argument)
        with path.open("r+b" if offset else mode) as file, self._data() as connection:
            if offset:
                file.seek(offset)
            with connection.makefile("rb") as data:
                shutil.copyfileobj(data, file)
        self.say("226 Transfer complete.")

    def do_appe(self, argument: str) -> None:
        self.do_stor(argument, "ab")

    def do_allo(self, argument: str) -> None:
        self.say("202 No storage allocation necessary.")


def _time(about: os.stat_result) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(about.st_mtime))


def _facts(about: os.stat_result) -> str:
    kind = "dir" if stat.S_ISDIR(about.st_mode) else "file"
    return f"type={kind};size={about.st_size};modify={_time(about)};"


def _long(path: Path, name: str, about: os.stat_result) -> str:
    when = time.strftime("%b %d %H:%M", time.gmtime(about.st_mtime))
    mode = stat.filemode(about.st_mode)
    line = f"{mode} {about.st_nlink:4} {'odd':8} {'odd':8} {about.st_size:12} {when} {name}"
    if stat.S_ISLNK(about.st_mode):
        link = path / name if path.is_dir() and not path.is_symlink() else path
        line += f" -> {link.readlink()}"
    return line
