"""What pages, commands and monitors show. Nothing here changes the zone.

`board`              the operator's board
`board_data`         collects its data
`experiment_page`    one experiment
`experiment_search`  lists and search
`quarantine_desk`    the data steward's desk
"""
