"""Scanner files of a water phantom: real formats, no person.

`water_phantom`      the phantom: pictures and k-space
`phantom_dicom`      classic DICOM series
`phantom_enhanced`   an Enhanced MR Image
`phantom_twix`       TWIX files
`phantom_twix_text`  their text buffers
`stamp`              puts an ExperimentID into copies of real files
"""
