"""Reads headers of Siemens raw data (TWIX); costs the same for 1 MB and 40 GB.

`twix_header.read` is the entry. twixtools cannot be imported in the server; it is the reference that tests compare
with.

`twix_header`  the header as policies see it
`twix_layout`  where measurements lie, and whether the file is whole
`twix_registration`  the patient registration of XA software, a DICOM data set
`twix_text`    XProtocol and ASCCONV
"""
