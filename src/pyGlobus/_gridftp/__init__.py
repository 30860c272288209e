"""What every GridFTP client of ours needs: below `ftpClient`, and below `gassCopy`, which has two.

Its public names (constants, errors, entries of listings) are those of `pyGlobus.ftpClient`.
"""
