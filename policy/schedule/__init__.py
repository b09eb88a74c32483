"""What time does: the delay rules, and the one that moves experiments on.

This package stands above withdrawal and lifecycle, because its rule finishes, finalizes and erases.

`delay_rules`  each delay rule and its interval
`lifecycle`    finishes, finalizes, reminds of retention, erases what is due
"""
