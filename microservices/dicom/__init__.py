"""Reads headers of DICOM files, damaged and hostile ones too, within a budget (`microservices.budget`).

`dicom_header.read` is the entry. References: DICOM PS3.5, PS3.10.

`dicom_header`     the header as policies see it
`dicom_scan`       the elements of a file
`dicom_elements`   what was found
`dicom_walk`       walks sequences
`dicom_pixels`     whether the pixels are whole
`dicom_personal`   personal data
`dicom_technique`  how the image was made
`dicom_text`       values as text
`dicom_deflate`    deflated data sets
`dicom_sniff`      recognises DICOM
"""
