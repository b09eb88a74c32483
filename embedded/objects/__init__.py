"""Data objects and their replicas: catalog and vault together.

`objects`             create, open, read, write, close, register, unlink
`replication`         checksum, replicate, trim, copy
`collection_removal`  removes collections
"""
