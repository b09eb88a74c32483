"""An Enhanced MR Image of the phantom (PS3.3 A.36), in the manner of syngo MR XA60: one file, a frame for each slice
and echo.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage

from mrdata.phantom.phantom_dicom import AXIAL, Series, encoded, general, pixels_into, seed_of, uid, window
from mrdata.phantom.water_phantom import Picture, Plane, Session, picture


def enhanced(
    session: Session, number: int = 4, slices: int = 4, echo_times: Sequence[float] = (3.2, 9.6)
) -> Iterator[tuple[str, bytes]]:
    """One Enhanced MR Image: a frame for each slice and echo, timing in the functional groups only (PS3.3 C.7.6.16,
    C.8.13.5).
    """
    series = Series(
        number, "gre_2echo_multiframe", "*fl2d2", 280.0, 22.0, 4.0, gap=10.0, software="syngo MR XA60", starts=220
    )
    image = general(session, series, EnhancedMRImageStorage, 1)
    image.ImageType = ["ORIGINAL", "PRIMARY", "M", "NONE"]
    frames: list[Picture] = []
    groups: list[Dataset] = []
    for echo, echo_time in enumerate(echo_times, 1):
        for index in range(slices):
            plane = AXIAL.moved((index - (slices - 1) / 2) * (series.thickness + series.gap))
            frames.append(picture(plane, series.contrast(echo_time), seed=seed_of(session, series, len(frames))))
            groups.append(_frame_groups(session, series, plane, index + 1, echo, echo_time))
    pixels = np.stack(frames)
    pixels_into(image, pixels)
    image.NumberOfFrames, image.LossyImageCompression, image.BurnedInAnnotation = len(frames), "00", "NO"
    image.PresentationLUTShape = "IDENTITY"
    _enhanced_modules(session, series, image)
    image.SharedFunctionalGroupsSequence = [_shared_groups(session, series, AXIAL, pixels)]
    image.PerFrameFunctionalGroupsSequence = groups
    yield f"{series.description.upper()}_{series.number:04d}/{1:08d}.IMA", encoded(image)


def _enhanced_modules(session: Session, series: Series, image: Dataset) -> None:
    """Enhanced MR Image, MR Pulse Sequence, Multi-frame Dimension (PS3.3 C.8.13.1, C.8.13.4, C.7.6.17)."""
    began = session.started + timedelta(seconds=series.starts)
    image.AcquisitionDateTime, image.AcquisitionDuration = f"{began:%Y%m%d%H%M%S.%f}", 35.8
    image.AcquisitionNumber, image.ContentQualification = 1, "RESEARCH"
    image.PixelPresentation, image.VolumetricProperties, image.VolumeBasedCalculationTechnique = (
        "MONOCHROME",
        "VOLUME",
        "NONE",
    )
    image.ComplexImageComponent, image.AcquisitionContrast = "MAGNITUDE", "PROTON_DENSITY"
    image.ResonantNucleus, image.KSpaceFiltering, image.ApplicableSafetyStandardAgency = "1H", "NONE", "IEC"
    image.PulseSequenceName, image.MRAcquisitionType, image.EchoPulseSequence = series.sequence, "2D", "GRADIENT"
    image.MultiPlanarExcitation, image.PhaseContrast, image.TimeOfFlightContrast, image.OversamplingPhase = (
        "NO",
        "NO",
        "NO",
        "NONE",
    )
    image.SteadyStatePulseSequence, image.EchoPlanarPulseSequence = "NONE", "NO"
    image.SaturationRecovery, image.SpectrallySelectedSuppression = "NO", "NONE"
    image.GeometryOfKSpaceTraversal, image.SegmentedKSpaceTraversal = "RECTILINEAR", "SINGLE"
    image.RectilinearPhaseEncodeReordering, image.NumberOfKSpaceTrajectories = "LINEAR", 1
    organisation = uid(session, "dimensions", series.number)
    image.DimensionOrganizationSequence = [_item(DimensionOrganizationUID=organisation)]
    image.DimensionIndexSequence = [
        _item(DimensionOrganizationUID=organisation, DimensionIndexPointer=pointer, FunctionalGroupPointer=group)
        for pointer, group in ((0x00209056, 0x00209111), (0x00209057, 0x00209111), (0x00189082, 0x00189114))
    ]
    image.AcquisitionContextSequence = []


def _frame_groups(
    session: Session, series: Series, plane: Plane, position: int, echo: int, echo_time: float
) -> Dataset:
    """What differs from frame to frame."""
    moment = f"{session.started + timedelta(seconds=series.starts):%Y%m%d%H%M%S.%f}"
    content = _item(
        FrameAcquisitionNumber=1, FrameReferenceDateTime=moment, FrameAcquisitionDateTime=moment, FrameAcquisitionDuration=35840.0,  # noqa: E501
        StackID="1", InStackPositionNumber=position, DimensionIndexValues=[1, position, echo],
    )  # fmt: skip
    return _item(
        FrameContentSequence=[content],
        PlanePositionSequence=[_item(ImagePositionPatient=[round(v, 6) for v in plane.first_voxel])],
        MREchoSequence=[_item(EffectiveEchoTime=echo_time)],
    )


def _shared_groups(session: Session, series: Series, plane: Plane, pixels: Picture) -> Dataset:
    """What all frames share (PS3.3 A.36.2.4)."""
    centre, width = window(pixels)
    shared = _item(
        PixelMeasuresSequence=[
            _item(PixelSpacing=[plane.spacing] * 2, SliceThickness=series.thickness, SpacingBetweenSlices=series.thickness + series.gap)  # noqa: E501
        ],
        PlaneOrientationSequence=[_item(ImageOrientationPatient=[*plane.across, *plane.down])],
        FrameAnatomySequence=[_item(FrameLaterality="U", AnatomicRegionSequence=[
            _item(CodeValue="69536005", CodingSchemeDesignator="SCT", CodeMeaning="Head")])],
        PixelValueTransformationSequence=[_item(RescaleIntercept=0, RescaleSlope=1, RescaleType="US")],
        FrameVOILUTSequence=[_item(WindowCenter=centre, WindowWidth=width)],
    )  # fmt: skip
    shared.update(_technique(session, series, plane))
    return shared


def _technique(session: Session, series: Series, plane: Plane) -> Dataset:
    """How the frames were acquired (PS3.3 C.8.13.5)."""
    return _item(
        MRImageFrameTypeSequence=[
            _item(
                FrameType=["ORIGINAL", "PRIMARY", "M", "NONE"], PixelPresentation="MONOCHROME", VolumetricProperties="VOLUME",  # noqa: E501
                VolumeBasedCalculationTechnique="NONE", ComplexImageComponent="MAGNITUDE", AcquisitionContrast="PROTON_DENSITY",  # noqa: E501
            )
        ],
        MRTimingAndRelatedParametersSequence=[
            _item(
                RepetitionTime=series.repetition_time, FlipAngle=series.flip_angle, EchoTrainLength=2, RFEchoTrainLength=0,  # noqa: E501
                GradientEchoTrainLength=2, GradientOutputType="DB_DT", GradientOutput=0.0,
                SpecificAbsorptionRateSequence=[_item(SpecificAbsorptionRateDefinition="IEC_HEAD", SpecificAbsorptionRateValue=0.004)],  # noqa: E501
                OperatingModeSequence=[
                    _item(OperatingModeType=kind, OperatingMode="IEC_NORMAL") for kind in ("STATIC FIELD", "RF", "GRADIENT")  # noqa: E501
                ],
            )
        ],
        MRFOVGeometrySequence=[
            _item(
                InPlanePhaseEncodingDirection="COLUMN", MRAcquisitionFrequencyEncodingSteps=plane.columns, PercentSampling=100.0,  # noqa: E501
                MRAcquisitionPhaseEncodingStepsInPlane=plane.rows, MRAcquisitionPhaseEncodingStepsOutOfPlane=1,
                PercentPhaseFieldOfView=100.0,
            )
        ],
        MRModifierSequence=[
            _item(
                InversionRecovery="NO", FlowCompensation="NONE", Spoiling="RF", T2Preparation="NO", SpectrallySelectedExcitation="NONE",  # noqa: E501
                SpatialPresaturation="NONE", PartialFourier="NO", ParallelAcquisition="NO",
            )
        ],
        MRImagingModifierSequence=[
            _item(
                MagnetizationTransfer="NONE", BloodSignalNulling="NO", Tagging="NONE",
                TransmitterFrequency=session.FREQUENCY, PixelBandwidth=series.bandwidth,
            )
        ],
        MRReceiveCoilSequence=[_item(ReceiveCoilName="31Rx_Head", ReceiveCoilType="MULTICOIL", MultiCoilDefinitionSequence=[  # noqa: E501
            _item(MultiCoilElementName="R1", MultiCoilElementUsed="YES")], ReceiveCoilManufacturerName="", QuadratureReceiveCoil="NO")],  # noqa: E501
        MRTransmitCoilSequence=[_item(TransmitCoilName="16Tx_Head", TransmitCoilManufacturerName="", TransmitCoilType="SURFACE")],  # noqa: E501
        MRAveragesSequence=[_item(NumberOfAverages=1.0)],
    )  # fmt: skip


def _item(**elements: object) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item
