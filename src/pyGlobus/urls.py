"""URLs as they may be shown to others.

`shown` hides the password of a URL, `shown_in` those of all URLs in a text.

>>> shown("ftp://me:secret@host/file")
'ftp://me:...@host/file'
"""

from __future__ import annotations

from ._core.passwords import shown, shown_in

__all__ = ["shown", "shown_in"]
