"""Files of this machine that a job fetches, and leaves here: which, and under which URLs."""

from __future__ import annotations

import re
import secrets
import stat
from dataclasses import replace
from pathlib import Path

from cogkit.jobs._describe import Command
from cogkit.jobs._errors import BadJob

__all__ = ["Staging", "is_url"]

# What every GASS client (GCT 6.2) sends as it is.
_ODD = re.compile(r"[^A-Za-z0-9._-]")
_TOKEN_BYTES = 16


class Staging:
    """The files here of one job, for a GASS server that knows no others.

    Each has a path in URLs that nobody can guess, and that ends with its name.
    """

    def __init__(self, job: Command, *, stays: bool = True) -> None:
        """Of a job; `stays`: whether somebody will be here in the end, to take files.

        Raises:
            BadJob: A file here is to be left at the end, and nobody will be here; or one to be
                fetched is none, but a pipe or a device.
            FileNotFoundError: A file here to be fetched does not exist.
            OSError: It cannot be read.
        """
        self.readable: dict[str, Path] = {}
        """What the job fetches: the path in the URL, and the file."""
        self.writable: dict[str, Path] = {}
        """What it leaves."""
        self._job = job
        self._token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._stage_in = [(self._fetched(here), there) for here, there in job.stage_in]
        self._stage_out = [(there, self._left(here, stays)) for there, here in job.stage_out]

    @property
    def serves(self) -> bool:
        """Whether a server is needed."""
        return bool(self.readable or self.writable)

    def with_urls(self, base: str) -> Command:
        """The job with URLs for the files here.

        Args:
            base: Base URL of the server that serves them.
        """
        return replace(
            self._job,
            stage_in=[(_url(base, here), there) for here, there in self._stage_in],
            stage_out=[(there, _url(base, here)) for there, here in self._stage_out],
        )

    def _fetched(self, source: str) -> str:
        if is_url(source):
            return source
        path = Path(source).expanduser()
        # the job manager would say it late, and a pipe would keep us waiting
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise BadJob(f"{source} is no file: a pipe or a device cannot be staged in")
        path.open("rb").close()
        return self._named(path, self.readable)

    def _left(self, target: str, stays: bool) -> str:
        if is_url(target):
            return target
        if not stays:
            raise BadJob(f"{target}: nobody will be here then to take it: give a URL")
        return self._named(Path(target).expanduser(), self.writable)

    def _named(self, path: Path, files: dict[str, Path]) -> str:
        number = len(self.readable) + len(self.writable)
        name = f"/{self._token}/{number}/{_ODD.sub('_', path.name)}"
        files[name] = path.absolute()
        return name


def is_url(text: str) -> bool:
    """Whether it is a URL, not a path."""
    scheme, colon, _ = text.partition("://")
    return bool(colon) and scheme.replace("-", "").isalnum()


def _url(base: str, place: str) -> str:
    return place if is_url(place) else base + place
