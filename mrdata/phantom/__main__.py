"""`python -m mrdata.phantom NAME FOLDER`: the images of a short exam of a phantom, as a scanner exports them.

For a first try of a zone without a scanner. NAME becomes the Patient Name: the ExperimentID, as the operator types it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path

from mrdata.phantom.water_phantom import Session


def main(arguments: Sequence[str]) -> int:
    """0; 2 for a command line that cannot be understood, 1 where nothing can be written."""
    if len(arguments) != 2 or not arguments[0].strip():
        print(f"mrdata.phantom: error: write {(__doc__ or '').split(':')[0]}", file=sys.stderr)
        return 2
    session = Session(arguments[0], datetime.now())
    try:
        count = write(session, Path(arguments[1]) / f"{session.started:%Y%m%d_%H%M%S_%f}")
    except OSError as error:
        print(f"mrdata.phantom: error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{count} images in {arguments[1]}")
    return 0


def write(session: Session, folder: Path) -> int:
    """Writes a localizer, a gradient echo and an EPI series; how many images they have."""
    from mrdata.phantom.phantom_dicom import epi, gradient_echo, localizer

    count = 0
    for name, content in chain(localizer(session), gradient_echo(session), epi(session)):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        count += 1
    return count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
