"""Makes embedded zones, and brings older ones up to date.

`new_zone`  makes a zone
`upgrade`   brings a zone up to date
"""
