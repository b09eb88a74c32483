"""GenQuery1 and GenQuery2, translated to SQL for SQLite.

`genquery1`  GenQuery1
`genquery2`  GenQuery2
`parser`     what both parsers share
`shape`      shape and literals of a query
`columns`    tables and joins of the columns
"""
