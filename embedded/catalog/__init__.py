"""The catalog of an embedded zone: one SQLite file, and the operations that change only the catalog.

`database`         the SQLite file, shared by processes
`rows`             rows of the catalog as values
`session`          one client's connection: its account and permissions
`users`            users and groups
`permissions`      access control lists
`metadata`         AVUs
`collection_tree`  collections and renames
`recovery`         finishes what a process that died left unfinished
"""
