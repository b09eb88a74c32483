"""Products of a series (tar, NIfTI): when they are due.

The worker that makes them is the package `products`, outside the server.

`completeness`  when a series is complete, and the state of its products
"""
