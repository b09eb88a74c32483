"""Reads the header of any landed file. The content tells its kind, never its name.

`header_reader`  recognises the kind and calls its reader
`text_header`    JSON sidecars, RDA, other text files
"""
