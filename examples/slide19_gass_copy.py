"""Slide 19 of the 2001 tutorial: copy a file between two URLs, with attributes for each side.

python examples/slide19_gass_copy.py gsiftp://HOST:PORT/PATH file:///PATH
"""

from __future__ import annotations

import sys

from pyGlobus.ftpClient import FtpClientOperationAttr
from pyGlobus.gassCopy import GassCopy, GassCopyAttr, GassCopyHandleAttr
from pyGlobus.globusException import GlobusException

srcUrl, destUrl = sys.argv[1:]

try:
    srcAttr = GassCopyAttr()
    handleAttr = GassCopyHandleAttr()
    destAttr = GassCopyAttr()
    ftpSrcAttr = FtpClientOperationAttr()
    ftpDestAttr = FtpClientOperationAttr()
    srcAttr.set_ftp(ftpSrcAttr)
    destAttr.set_ftp(ftpDestAttr)
    with GassCopy(handleAttr) as copy:
        copy.copy_url_to_url(srcUrl, srcAttr, destUrl, destAttr)
except GlobusException as ex:
    print(ex.msg, file=sys.stderr)
    sys.exit(1)
