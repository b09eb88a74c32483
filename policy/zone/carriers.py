"""Lists the places in a file, other than its attributes, that may carry personal data.

Each has a sentence: the reason that the quarantine shows. Each is refused unless the site accepts it (`guard.accept` in
mrdata.yaml). The keys are those of `Header.carried`, whose values say where in the file the text is, never the text.
"""

from __future__ import annotations

UNREADABLE, DIRECTORY, PACKED = "unreadable", "directory", "packed"
PREAMBLE, AFTER_PIXELS, REPEATED = "preamble", "after-pixels", "repeated"
BURNED_IN, OVERLAY, ANNOTATION = "burned-in", "overlay", "annotation"
DOCUMENT, REPORT, UNKNOWN_SEQUENCE = "document", "report", "unknown-sequence"

CARRIERS: dict[str, str] = {
    UNREADABLE: "its header cannot be read to its end, so that nobody knows what it tells",
    DIRECTORY: "it is the directory of a medium (DICOMDIR), which lists patients",
    PACKED: "images or raw data are packed in it; unpack it",
    PREAMBLE: "text stands in the 128 bytes before its beginning (preamble)",
    AFTER_PIXELS: "text or elements stand after its pixel data",
    REPEATED: "an element stands twice in it",
    BURNED_IN: "text is burned into its pixels",
    OVERLAY: "an overlay or a curve is drawn over its pixels",
    ANNOTATION: "somebody's notes are written on it",
    DOCUMENT: "a document, a sound or something encrypted lies in it",
    REPORT: "it is a report with text",
    UNKNOWN_SEQUENCE: "a private sequence of unknown representation lies in it",
}
"""Carrier -> the sentence for it."""
