"""pyGlobus: the Grid Community Toolkit's libraries as Python modules.

One module for each Globus library, with the names of the Python CoG Kit's 2001 tutorial:

- `pyGlobus.ftpClient`: GridFTP client
- `pyGlobus.gramClient`: run jobs through GRAM
- `pyGlobus.rsl`: the language of job descriptions
- `pyGlobus.gassServerEZ`: serve files and collect output by GASS
- `pyGlobus.security`: GSI credentials and proxies
- `pyGlobus.globusMod`: modules, versions, threads
- `pyGlobus.globusException`: the exceptions

Importing is cheap: Globus itself comes up with the first object that needs it.
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
