"""The commands of `mrdata`; `mrdata.cli` puts them together.

`terminal`            what all commands share
`zone_connection`     opens the zone
`listing`             `ls`, `meta`, `put`
`attribute_search`    `find`
`download`            `get`
`drill_command`       `drill`
`scan_command`        `scan`
`web_command`         `serve`
`export_commands`     `export`
`quarantine_commands` `quarantine`, `refile`
`study_commands`      `study`, `register`
`user_commands`       `user`
`lifecycle_commands`  `finish`, `finalize`, `withdraw`, `restore`, `audit`
`product_commands`    `products`, `member`
`progress_bar`        progress on a terminal
"""
