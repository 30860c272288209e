"""Measurements against other clients: ``python -m benchmarks``, or ``make bench``.

What each row means and what was measured stands in ``docs/performance.md``.
"""
