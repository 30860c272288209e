"""Slide 20 of the 2001 tutorial: the grid-mapfile.

python examples/slide20_gridmap.py MAPFILE SUBJECT USER
"""

from __future__ import annotations

import sys

from pyGlobus.globusException import GlobusException
from pyGlobus.security.gridmap import GridMap, edit_gridmap

path, subject, user = sys.argv[1:]

try:
    with edit_gridmap(path, create=True) as mapping:
        mapping.add(subject, user)
    mapping = GridMap.load(path)
    print(f"{subject} is {mapping.lookup(subject)}")
    for problem in mapping.check():
        print(problem)
except (GlobusException, LookupError, ValueError, OSError) as ex:
    print(ex, file=sys.stderr)
    sys.exit(1)
