"""What the demonstration's scanner delivers on one day: two exams, the mistakes people make, and real files."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

from mrdata.demonstration.console import Delivery, Fate, Manner
from mrdata.phantom.water_phantom import Session
from policy.ingest.decision import Reason
from policy.zone import experiment_id
from policy.zone.layout import DataType

_PYDICOM_FILES = ("MR_small.dcm", "CT_small.dcm", "image_dfl.dcm", "ExplVR_BigEnd.dcm")
_CORPUS_DICOM = (
    ("dicom/dcm_qa_nih/In/20180918Si/*/*.dcm", 2),
    ("dicom/dcm_qa_nih/In/20180918GE/*/*.dcm", 3),
    ("dicom/dcm_qa_xa60/In/XA60/DICOM/*/*/*", 2),
)


@dataclass(frozen=True, slots=True)
class _Day:
    experiments: list[str]
    seed: int
    started: datetime

    def session(self, minutes: int, patient_name: str) -> Session:
        return Session(patient_name, self.started + timedelta(minutes=minutes), self.seed)


def demo_session(
    experiments: Sequence[str], *, seed: int = 0, started: datetime | None = None, corpus: Path | None = None
) -> list[Delivery]:
    """The day's deliveries, each with what shall become of it. ValueError for fewer than two valid ExperimentIDs.

    `experiments` are registered, open ExperimentIDs of the scanner. The site retains patient characteristics (sex, age,
    size, weight) and refuses every direct identifier. Real files are copies of the test files that come with pydicom
    and, where `corpus` is given, of that folder. Another `started` or `seed` gives other UIDs.
    """
    if len(set(experiments)) < 2 or any(experiment_id.parse(e) != e for e in experiments):
        raise ValueError(f"two different ExperimentIDs are needed, not {list(experiments)}")
    day = _Day(list(experiments), seed, started or datetime(2026, 3, 12, 9, 0, 0, 123_000))
    return [
        *_exams(day),
        *_mistakes(day),
        *_again(day),
        *_real_dicom(day, corpus),
        *_real_raw(day, corpus),
        *_expanded_data(day),
    ]


def images(session: Session) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every image of a usual exam: localizer, GRE, EPI, enhanced GRE, in folders named for the
    series.
    """
    from mrdata.phantom.phantom_dicom import epi, gradient_echo, localizer
    from mrdata.phantom.phantom_enhanced import enhanced

    for series in (localizer, gradient_echo, epi, enhanced):
        yield from series(session)


def _exams(day: _Day) -> Iterator[Delivery]:
    """Two exams, the second begun while the first is still exported; raw data at night."""
    from mrdata.phantom import phantom_twix

    first, second = day.experiments[:2]
    exams = (
        (day.session(0, first), first, Manner.GROWING, "images of the first exam"),
        (
            day.session(4, second.replace("-", "").lower()),
            second,
            Manner.SUFFIX,
            "images of the second exam; the operator typed small letters",
        ),
    )
    for session, experiment, manner, note in exams:
        for name, content in images(session):
            yield _archived(
                f"dicom/{_folder(session)}/{name}", content, experiment, DataType.DICOM, note, manner=manner
            )
    one, two = exams[0][0], exams[1][0]
    plain = phantom_twix.gradient_echo(one, 42)
    yield _archived(
        f"twix/{_folder(one)}/{plain.file_name}",
        phantom_twix.vb(one, plain),
        first,
        DataType.TWIX,
        "raw data of VB",
        at_night=True,
    )
    image = phantom_twix.gradient_echo(two, 58, z=20.0)
    content = phantom_twix.ve(two, [phantom_twix.coil_sensitivities(two, 57), image])
    note = "raw data of VE, name masked: known by the frame of reference of its images"
    yield _archived(
        f"twix/{image.file_name}", content, second, DataType.TWIX, note, at_night=True, manner=Manner.HIDDEN
    )


def _mistakes(day: _Day) -> Iterator[Delivery]:
    """What goes wrong at a scanner; each must be set aside with its reason."""
    from mrdata.phantom import phantom_dicom, phantom_twix

    first, second = day.experiments[:2]
    wrong = (
        (day.session(60, _unregistered(day)), Reason.UNREGISTERED, "a valid ExperimentID that nobody registered"),
        (day.session(90, _mistyped(day)), Reason.MISTYPED, "one character of the ExperimentID is wrong"),
    )
    for session, reason, note in wrong:
        for name, content in phantom_dicom.localizer(session):
            yield _refused(f"dicom/{_folder(session)}/{name}", content, reason, note)
    nameless = day.session(110, "Oil^Phantom")
    name, content = next(phantom_dicom.localizer(nameless))
    yield _refused(f"dicom/{_folder(nameless)}/{name}", content, Reason.NO_ID, "the operator typed something else")
    elsewhere = day.session(120, first)
    name, content = next(phantom_dicom.localizer(elsewhere))
    yield _refused(
        f"dicom/{second}/{name}", content, Reason.CONFLICT, "the name says one experiment, the folder another"
    )
    born = day.session(130, first)
    name, content = next(phantom_dicom.localizer(born))
    yield _refused(
        f"dicom/{_folder(born)}/{name}",
        _with(content, PatientBirthDate="19700101"),
        Reason.PERSONAL_DATA,
        "it holds a birth date",
    )
    yield _refused(
        f"dicom/{_folder(born)}/notes.txt", b"Coil 2 warm.\r\n", Reason.NOT_RECOGNISED, "a text file among the images"
    )
    broken = phantom_twix.gradient_echo(born, 61)
    whole = phantom_twix.vb(born, broken)
    yield _refused(
        f"twix/{broken.file_name}",
        whole[: len(whole) * 3 // 5],
        Reason.TRUNCATED,
        "raw data whose copy broke off",
        at_night=True,
    )
    stray = day.session(140, first)
    lost = phantom_twix.gradient_echo(stray, 63, size=64)
    note = "raw data with a masked name, and no image of its exam"
    yield _refused(f"twix/{lost.file_name}", phantom_twix.ve(stray, [lost]), Reason.NO_ID, note, at_night=True)


def _again(day: _Day) -> Iterator[Delivery]:
    """An image that is exported a second time, and one that was changed in between."""
    from mrdata.phantom import phantom_dicom

    session = day.session(0, day.experiments[0])
    images = [content for _, content in phantom_dicom.gradient_echo(session)]
    yield Delivery(
        f"dicom/{_folder(session)}_again/00000001.IMA", images[0], Fate.ONE_COPY, "again", day.experiments[0], DataType.DICOM,  # noqa: E501
        at_night=True, note="an image exported twice",
    )  # fmt: skip
    changed = _with(images[1], WindowCenter=400, WindowWidth=700)
    note = "the same SOP instance with other bytes"
    yield _refused(
        f"dicom/{_folder(session)}_again/00000002.IMA", changed, Reason.DUPLICATE_DIFFERENT, note, at_night=True
    )


def _real_dicom(day: _Day, corpus: Path | None) -> Iterator[Delivery]:
    """Real images, stamped with an ExperimentID, and one as it is."""
    from pydicom.data import get_testdata_file

    from mrdata.phantom.stamp import stamp_dicom

    first, second = day.experiments[:2]
    paths = [get_testdata_file(name, download=False) for name in _PYDICOM_FILES]
    files = [(Path(str(path)), first) for path in paths if path]
    if corpus:
        files += [(path, second) for pattern, count in _CORPUS_DICOM for path in sorted(corpus.glob(pattern))[:count]]
    if files:
        yield _refused(
            "dicom/import/unstamped.dcm", files[0][0].read_bytes(), Reason.NO_ID, "a real image under a person's name"
        )
    for number, (path, experiment) in enumerate(files, 1):
        content = stamp_dicom(path.read_bytes(), experiment, clear_personal=True)
        yield _archived(
            f"dicom/import/{number:08d}",
            content,
            experiment,
            DataType.DICOM,
            f"real image: {path.name}",
            manner=Manner.HIDDEN,
        )


def _real_raw(day: _Day, corpus: Path | None) -> Iterator[Delivery]:
    from mrdata.phantom.stamp import stamp_twix

    if corpus is None:
        return
    first, second = day.experiments[:2]
    for path in sorted(corpus.glob("twix/pulseq-vb19/*.dat"))[:1]:
        content = stamp_twix(path.read_bytes(), second, clear_personal=True)
        yield _archived(
            f"twix/pulseq/{path.name}", content, second, DataType.TWIX, "real raw data of VB", at_night=True
        )
    for path in sorted(corpus.glob("twix/twixtools/gre.dat")):
        note = "real raw data of VE, name masked: known by its folder's name"
        yield _archived(f"twix/{first}/{path.name}", path.read_bytes(), first, DataType.TWIX, note, at_night=True)


def _expanded_data(day: _Day) -> Iterator[Delivery]:
    """A tree as people make them."""
    experiment = day.experiments[0]
    noise = random.Random(day.seed)
    pulse = "".join(f"{t / 50:.2f};{noise.gauss(0, 1):.4f}\n" for t in range(2000))
    tree: dict[str, bytes] = {
        "physiology/pulse & breathing (50 Hz).csv": pulse.encode(),
        "stimuli/Bild 'Nr. 1'.txt": "grün\n".encode(),
        'stimuli/say "aah" 100%.txt': b"aah\n",
        "stimuli/日本語/Überraschung – été.tsv": b"onset\tduration\n0\t1\n",
        "/".join(["shim", *(f"level {n}" for n in range(1, 13)), "B0 map.bin"]): noise.randbytes(40_000),
        "eye tracker/calibration.txt": b"",
        "README": b"Response box: left = 1, right = 2.\n",
    }
    for name, content in tree.items():
        yield _archived(
            f"expdata/{experiment}/{name}",
            content,
            experiment,
            DataType.EXP_DATA,
            "Expanded Data",
            manner=Manner.HIDDEN,
        )


def _archived(
    path: str,
    content: bytes,
    experiment: str,
    data_type: DataType,
    note: str,
    *,
    manner: Manner = Manner.GROWING,
    at_night: bool = False,
) -> Delivery:
    return Delivery(
        path, content, Fate.ARCHIVED, _label(path), experiment, data_type, manner=manner, at_night=at_night, note=note
    )


def _refused(path: str, content: bytes, reason: Reason, note: str, *, at_night: bool = False) -> Delivery:
    return Delivery(path, content, Fate.QUARANTINED, _label(path), reason=reason, at_night=at_night, note=note)


def _label(path: str) -> str:
    """Files of one folder below the branch come one after the other."""
    return "/".join(path.split("/")[:2])


def _folder(session: Session) -> str:
    return f"{session.started:%Y%m%d_%H%M%S}"


def _with(content: bytes, **elements: object) -> bytes:
    """The DICOM file with other values."""
    from pydicom import dcmread

    from mrdata.phantom.phantom_dicom import encoded

    image = dcmread(BytesIO(content))
    for keyword, value in elements.items():
        setattr(image, keyword, value)
    return encoded(image)


def _unregistered(day: _Day) -> str:
    """A valid ExperimentID that is none of the day's."""
    from stdnum.iso7064 import mod_37_2

    chance = random.Random(day.seed)
    while True:
        text = "".join(chance.choice(experiment_id.ALPHABET) for _ in range(experiment_id.LENGTH - 1))
        found = experiment_id.parse(text + mod_37_2.calc_check_digit(text))
        if found and found not in day.experiments:
            return found


def _mistyped(day: _Day) -> str:
    """The first ExperimentID with its third character replaced by the next one of the alphabet."""
    right = day.experiments[0]
    alphabet = experiment_id.ALPHABET
    return right[:2] + alphabet[(alphabet.index(right[2]) + 1) % len(alphabet)] + right[3:]
