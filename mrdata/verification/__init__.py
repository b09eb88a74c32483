"""`mrdata verify`: the files of vault, intake and mailbox beside the catalog (`policy.verification`).

`verify_report`   runs the verification, and reports
`verify_intake`   the intake
`verify_mailbox`  the landing zone
`verify_state`    how far an interrupted run came
"""
