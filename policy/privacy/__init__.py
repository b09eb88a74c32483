"""What tells who a person is, and the guard that keeps it out of the archive (GDPR; DICOM PS3.15 Annex E).

The attributes are data, so that a data steward can read them. `guard.refused` judges a header by them and by the
site's settings.

`guard`               judges a header: the reasons for which a file is refused
`personal_data`       attributes that are refused, values that tell nothing
`private_attributes`  private DICOM attributes that are known to hold personal data
`descriptors`         attributes that describe images and may hold free text
`free_text`           recognises personal data in free text
"""
