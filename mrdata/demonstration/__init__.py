"""`mrdata demo`: a pretend scanner delivers real files to a new embedded zone.

`demo`               runs it
`plan`               what is delivered, and what must become of each file
`console`            writes the files as consoles do
`demo_folder`        one runs in a folder at a time; files of others in it stay
`demo_report`        looks up each file at the end
`explanation`        says what the numbers count, and what to try next
`pretend_castellum`  a small Castellum over real sockets
`demo_castellum`     its studies and subjects
"""
