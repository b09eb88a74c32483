"""The text buffers at the head of the phantom's raw files, in the syntax of real ones (XProtocol, ASCCONV)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from mrdata.phantom.water_phantom import Complex, Contrast, Plane, Session

Tree = Mapping[str, "Tree | str | int | float | Sequence[int] | None"]

_SEQUENCE = "%SiemensSeq%\\gre"


class Version(Enum):
    """The two file formats, each with the texts of a 9.4 T software of its time: software, baseline, ulVersion."""

    VB = ("syngo MR B17", "N4_VB17A_LATEST_20090307", 21710006)
    VE = ("syngo MR E12", "N4_VE12U_LATEST_20181126", 51280000)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A protocol and what was measured with it: for each echo (phase encoding lines, channels, samples), and its
    contrast.
    """

    protocol: str
    meas_uid: int
    echoes: tuple[Complex, ...]
    contrasts: tuple[Contrast, ...]
    plane: Plane
    starts: float = 0.0
    """Seconds after the session's beginning."""

    @property
    def lines(self) -> Complex:
        """The first echo."""
        return self.echoes[0]

    @property
    def contrast(self) -> Contrast:
        """That of the first echo."""
        return self.contrasts[0]

    @property
    def file_name(self) -> str:
        """As the console names an export."""
        return f"meas_MID{self.meas_uid:05d}_FID{self.file_id:05d}_{self.protocol}.dat"

    @property
    def file_id(self) -> int:
        """The second number of the file's name."""
        return 11_000 + self.meas_uid


def text_buffers(session: Session, m: Measurement, version: Version, *, masked: bool) -> dict[str, str]:
    """Name -> text of the six buffers, in their order.

    `masked`: the patient's name, birthday and ID are runs of `x`.
    """
    name = "x" * len(session.patient_name) if masked else session.patient_name
    birthday = "xxxxxxxx" if masked else None
    person: Tree = {
        "PatientID": "x" * 48 if masked else name, "PatientBirthDay": birthday, "PatientSex": None, "tPatientName": name,  # noqa: E501
        "PatientLOID": "6.0.60000001", "StudyLOID": "6.0.60000006", "SeriesLOID": f"6.0.{60000010 + m.meas_uid}", "tStudyDescription": None,  # noqa: E501
    }  # fmt: skip
    raid: Tree = {
        "Class": "RAIDLocal@IrisServices", "MeasUID": m.meas_uid, "ProtocolName": m.protocol, "PatientName": name,
        "PatientBirthDay": birthday,
    }  # fmt: skip
    dicom = _dicom(session, m, version, name)
    display: Tree = {"Class": "IceDisplay@Spice", "MeasUID": m.meas_uid, "PatientsName": name}
    protocol = _ascconv(session, m, version)
    return {
        "Config": _xprotocol(_config(session, m, person, raid)),
        "Dicom": _xprotocol({"DICOM": dicom}),
        "Meas": _xprotocol(
            _meas(session, m, {**person, "PatientName": name}, dicom), spacious=True, name="ONLINE Pipe Configuration"
        ),
        "MeasYaps": protocol + "\n",
        "Phoenix": _xprotocol({"PHOENIX": {"Steps": [1, 2, 3]}}, name="MultiStep Controller") + protocol,
        "Spice": _xprotocol({"PARC": {"PIPE": {"display": display}, "SYSTEM": _station(session, version)}}),
    }


def _station(session: Session, version: Version) -> Tree:
    return {
        "SoftwareVersions": version.value[0], "Manufacturer": "SIEMENS", "ManufacturersModelName": session.MODEL,
        "LongModelName": "NUMARIS/4", "InstitutionAddress": None, "DeviceSerialNumber": session.SERIAL, "InstitutionName": None,  # noqa: E501
        "Modality": "MR",
    }  # fmt: skip


def _dicom(session: Session, m: Measurement, version: Version, name: str) -> Tree:
    return {
        **_station(session, version), "adFlipAngleDegree": m.contrast.flip_angle, "ulVersion": version.value[2],
        "lFrequency": _hertz(session), "lBaseResolution": m.plane.columns, "lPhaseEncodingLines": m.plane.rows,
        "tBodyPartExamined": "HEAD", "tPatientPosition": "HFS", "flTransRefAmpl": 250.0, "tPerfPhysiciansName": None, "lPatientSex": None,  # noqa: E501
        "tPatientName": name, "TransmittingCoil": "16Tx_Head", "flReadoutOSFactor": 2.0, "flMagneticFieldStrength": session.FIELD,  # noqa: E501
        "tSequenceVariant": "SP", "tScanningSequence": "GR", "tMRAcquisitionType": "2D", "tImageComment": None, "tProtocolName": m.protocol,  # noqa: E501
    }  # fmt: skip


def _config(session: Session, m: Measurement, person: Tree, raid: Tree) -> Tree:
    pipe: Tree = {"MeasUID": m.meas_uid, "FrameOfReference": session.frame_of_reference_uid, "PatientPosition": "HFS"}
    sequence: Tree = {"MeasUID": m.meas_uid, "SequenceFileName": _SEQUENCE, "SequenceString": "fl2d2"}
    parc: Tree = {
        "HARDWARE": {"CPUCount": "16", "MaxMemory": "58257"},
        "RECOMPOSE": person,
        "DERIVED": {"chronSliceIndices": [0, *[-1] * 127]},
        "PIPE": pipe,
        "SERVICES": {"RAIDLocal": raid, "FillMiniHeaderData": sequence},
    }
    return {"PARC": parc}


def _meas(session: Session, m: Measurement, person: Tree, dicom: Tree) -> Tree:
    return {
        "HEADER": {**person, "MeasUID": m.meas_uid, "tProtocolName": m.protocol},
        # as large as in life: what stands behind the Meas buffer is found only by who follows the lengths
        "IRIS": {f"functor{n:03d}": {"Class": f"Step{n:03d}@IceImage", "alTable": [0] * 512} for n in range(300)},
        "MEAS": {
            "alTR": [_us(m.contrast.repetition_time), *[0] * 127],
            "alTE": [_us(contrast.echo_time) for contrast in m.contrasts],
        },
        "YAPS": {
            "tFrameOfReference": session.frame_of_reference_uid,
            "flMagneticFieldStrength": session.FIELD,
            "tPatientPosition": "HFS",
        },
        "DICOM": dicom,
    }


def _hertz(session: Session) -> int:
    return round(session.FREQUENCY * 1e6)


def _us(milliseconds: float) -> int:
    return round(1000 * milliseconds)


def _ascconv(session: Session, m: Measurement, version: Version) -> str:
    """The protocol as `key = value` lines:

    VB pads the keys and writes flags as hexadecimal, VE writes tabs and decimals.
    """
    _, baseline, number = version.value
    phase_lines = m.lines.shape[0]
    values: dict[str, str | int | float] = {
        "ulVersion": number, "tSequenceFileName": _SEQUENCE, "tProtocolName": m.protocol, "ucTablePositioningMode": 1,
        "lContrasts": len(m.contrasts), "lTotalScanTimeSec": max(1, round(phase_lines * m.contrast.repetition_time / 1000)),  # noqa: E501
        "sProtConsistencyInfo.tBaselineString": baseline, "sProtConsistencyInfo.flNominalB0": session.FIELD,
        "sTXSPEC.asNucleusInfo[0].tNucleus": "1H", "sTXSPEC.asNucleusInfo[0].lFrequency": _hertz(session),
        "sTXSPEC.asNucleusInfo[0].flReferenceAmplitude": 250.0, "alTR[0]": _us(m.contrast.repetition_time),
        **{f"alTE[{n}]": _us(contrast.echo_time) for n, contrast in enumerate(m.contrasts)},
        "sSliceArray.asSlice[0].sNormal.dTra": 1.0, "sSliceArray.asSlice[0].dThickness": 4.0,
        "sSliceArray.asSlice[0].dPhaseFOV": m.plane.rows * m.plane.spacing,
        "sSliceArray.asSlice[0].dReadoutFOV": m.plane.columns * m.plane.spacing, "sSliceArray.lSize": 1,
        "sKSpace.lBaseResolution": m.plane.columns, "sKSpace.lPhaseEncodingLines": phase_lines, "sKSpace.lPartitions": 1,  # noqa: E501
        "sKSpace.ucDimension": 2, "adFlipAngleDegree[0]": m.contrast.flip_angle,
    }  # fmt: skip
    old = version is Version.VB
    rows = [
        (
            "### ASCCONV BEGIN ###"
            if old
            else f"### ASCCONV BEGIN object=MrProtDataImpl@MrProtocolData version={number} ###"
        )
    ]
    for key, value in values.items():
        as_hex = old and isinstance(value, int) and key.rpartition(".")[2].startswith(("uc", "ul"))
        text = (
            f'"{value}"'
            if isinstance(value, str)
            else f"{value:#x}"
            if as_hex
            else f"{value:g}"
            if isinstance(value, float)
            else str(value)
        )
        rows.append(f"{key:<40} = {text}" if old else f"{key}\t = \t{text}")
    return "\n".join([*rows, "### ASCCONV END ###"])


def _xprotocol(tree: Tree, *, spacious: bool = False, name: str = "") -> str:
    """A buffer in Siemens' XProtocol syntax.

    Values on one line (Config, Dicom, Spice) or on lines of their own (Meas).
    """
    title = f'  <Name> "{name}" \n  <ID> 1000000 \n  <Userversion> 1.0 \n' if name else ""
    return "<XProtocol> \n{\n" + title + '  \n  <ParamMap.""> \n  {\n' + _params(tree, "    ", spacious) + "  }\n}\n"


def _params(tree: Tree, indent: str, spacious: bool) -> str:
    out = ""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            kind = "ParamFunctor" if "Class" in value else "ParamMap"
            out += f'{indent}<{kind}."{key}"> \n{indent}{{\n{_params(value, indent + "  ", spacious)}{indent}}}\n'
        elif key == "Class":
            out += f'{indent}<Class> "{value}" \n{indent}\n'
        elif spacious:
            inner = "".join(f"{indent}  {part} \n" for part in _value(key, value))
            out += f'{indent}\n{indent}<{_kind(key, value)}."{key}"> \n{indent}{{\n{inner}{indent}}}\n'
        else:
            inner = "".join(f"{part}  " for part in _value(key, value))
            out += f'{indent}<{_kind(key, value)}."{key}">  {{ {inner}}}\n'
    return out


def _kind(key: str, value: str | int | float | Sequence[int] | None) -> str:
    if isinstance(value, float):
        return "ParamDouble"
    return (
        "ParamString"
        if isinstance(value, str) or (value is None and key not in ("PatientSex", "lPatientSex"))
        else "ParamLong"
    )


def _value(key: str, value: str | int | float | Sequence[int] | None) -> Iterator[str]:
    if isinstance(value, float):
        yield "<Precision> 6"
        yield f"{value:.6f}"
    elif isinstance(value, str):
        yield f'"{value}"'
    elif isinstance(value, Sequence):
        for first in range(0, len(value), 10):
            yield " ".join(map(str, value[first : first + 10]))
    elif value is not None:
        yield str(value)
