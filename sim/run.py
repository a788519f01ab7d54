"""The pipeline: network -> tensors -> sizes -> traffic -> energy. The only place that lists the stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sim.break_even import BreakEven, break_even
from sim.config import RunConfig
from sim.footprint import Footprint, peak_footprint
from sim.images import Photo, preprocess
from sim.measure import Known, TensorSizes, measure
from sim.network import Network
from sim.tensors import Quantization, Recorded, Recorder
from sim.traffic import LayerTraffic, layer_traffic

__all__ = ["Result", "record", "run", "run_recorded"]

_RGB = 3


@dataclass(frozen=True)
class Result:
    """All that a run found.

    Attributes
    ----------
    config : RunConfig
    network : Network
    images : tuple of str
        Names of the images.
    quantization : mapping of tensor name to Quantization
    sizes : tuple of mapping
        For each image, tensor name to TensorSizes.
    traffic : tuple of list of LayerTraffic
        For each image, layer by layer.
    footprints : tuple of Footprint
        For each image, under the chosen codec.
    break_even : BreakEven
    """

    config: RunConfig
    network: Network
    images: tuple[str, ...]
    quantization: Mapping[str, Quantization]
    sizes: tuple[Mapping[str, TensorSizes], ...]
    traffic: tuple[list[LayerTraffic], ...]
    footprints: tuple[Footprint, ...]
    break_even: BreakEven


def run(
    config: RunConfig,
    network: Network,
    photos: tuple[Photo, ...],
    mean: float = 127.0,
    spread: float = 128.0,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Result:
    """Send every tensor of every photo through the codecs.

    Parameters
    ----------
    config : RunConfig
    network : Network
    photos : tuple of Photo
        At least one.
    mean, spread : float
        A pixel value v enters the network as ``(v - mean) / spread``.
    progress : callable
        Called with the fraction of tensors done.

    Raises
    ------
    ValueError
        If network and photos do not fit, or a tensor holds NaN.
    """
    recorder = record(network, photos, mean, spread, config.word_bits)
    return run_recorded(config, network, tuple(photo.name for photo in photos), recorder, progress)


def record(network: Network, photos: tuple[Photo, ...], mean: float, spread: float, word_bits: int) -> Recorder:
    """The symbols of photos in a network; parameters and errors are those of `run`."""
    channels, height, width = network.tensors[network.inputs[0]].shape
    if channels != _RGB:
        raise ValueError(f"input of the network must have {_RGB} channels, as photos have, not {channels}")
    return Recorder(network, preprocess(photos, height, width, mean, spread), word_bits)


def run_recorded(
    config: RunConfig,
    network: Network,
    names: tuple[str, ...],
    recorder: Recorded,
    progress: Callable[[float], None] = lambda fraction: None,
    known: Known | None = None,
) -> Result:
    """Send every recorded tensor through the codecs.

    `names` are those of the recorder's images, in order; `known` is that of `sim.measure.measure`.
    """
    sizes: list[dict[str, TensorSizes]] = [{} for _ in names]
    total = len(names) * len(network.tensors)
    for done, size in enumerate(measure(network, recorder, config, known), start=1):
        sizes[size.image][size.name] = size
        progress(done / total)
    traffic = tuple(layer_traffic(network, image, config) for image in sizes)
    footprints = tuple(peak_footprint(network, image, config.codec) for image in sizes)
    curves = break_even(config)
    return Result(config, network, names, recorder.quantization, tuple(sizes), traffic, footprints, curves)
