"""The Python CoG Kit: work with a grid from Python and from the shell.

The kit stands on :mod:`pyGlobus`, the map of the Globus libraries, and adds what
a user wants although Globus has no such call.  A grid to try it on needs no
administrator and no certificate authority::

    from cogkit.sandbox import Sandbox

    with Sandbox() as grid:
        print(grid.gridftp_url)
"""

__version__ = "0.1.0"
