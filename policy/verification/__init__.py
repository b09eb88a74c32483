"""`mrdata verify`: the proof that every landed byte is accounted for.

The catalog's part. The files of vault, intake and mailbox are looked at by `mrdata.verification`.

`verification`        looks through the catalog
`findings`            what is found, and what may be said in the end
`manifest_check`      finalized experiments against their manifests
`landed_again_check`  records of files that landed twice
`refilings`           objects that were re-filed during a verification
"""
