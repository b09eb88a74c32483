"""`mrdata demo`: a pretend scanner delivers real files to a new embedded zone.

`demo`               runs it
`plan`               what is delivered, and what must become of each file
`console`            writes the files as consoles do
`demo_report`        looks up each file at the end
`pretend_castellum`  a small Castellum over real sockets
`demo_castellum`     its studies and subjects
"""
