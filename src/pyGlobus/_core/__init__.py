"""What lies between the C border and the map: runtime, operations, errors, handles, buffers.

Nothing here mirrors a Globus call of its own accord, and nothing here is public.
"""
