"""The way into an embedded zone from outside: `EmbeddedZone`, and the routes that fire enforcement points.

`embedded_zone`  the verbs of `policy.zone.Zone` for a client
`routes`         each API call, with its enforcement points
"""
