"""The catalog of an embedded zone: one SQLite file, and the acts that change it alone.

`database`         the SQLite file, shared by processes
`rows`             rows of the catalog as values
`session`          the client and its rights
`users`            users and groups
`permissions`      access control lists
`metadata`         AVUs
`collection_tree`  collections and renames
`recovery`         finishes what a process that died left unfinished
"""
