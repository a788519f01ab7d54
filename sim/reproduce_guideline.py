"""The guideline's case study again: PoseResNet-50 on a Firefly RK3399, by the same steps that ``lighten`` takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sim.accelerator import load_accelerator
from sim.chapter import Chapter
from sim.hevc_sweep import random_crops
from sim.images import load_images, preprocess
from sim.light_networks import build_pose_resnet
from sim.lighten import Goal, Options, lighten
from sim.lighten_backbone import swap_backbone
from sim.lighten_cost import Cost, cost_of, prepare
from sim.lighten_factorize import factorize
from sim.lighten_report import step_section
from sim.lighten_target import Target, target_of
from sim.lite0 import INPUT_PIXELS, build_lite0
from sim.network import Network, load_network
from sim.section import Section

__all__ = ["PAPER", "Fit", "Variant", "fit", "guideline_chapter", "replaced", "variants"]

PAPER = {
    "none": (81.4, 12.113, 1.054),
    "G1": (77.7, 5.878, 0.704),
    "G1+G2": (76.3, 6.062, 0.354),
    "G1+G2+G4": (76.0, 5.929, 0.352),
}
"""PCKh@0.5, start-up time and time of an image in seconds."""

_CHANNELS = 64
_CROPS, _DENSITY = 32, 0.9
_STEPS = 3


@dataclass(frozen=True, eq=False)
class Variant:
    """A row of the report's table: a network and the format it runs in."""

    name: str
    network: Network
    format: str = "fp32"


@dataclass(frozen=True)
class Fit:
    """Efficiency and constant time that make two rows come out as measured."""

    efficiency: float
    constant_s: float


def variants() -> tuple[Variant, ...]:
    """The report's four networks, with seeded weights: their times need shapes only."""
    original = build_pose_resnet()
    light = load_network(swap_backbone(original, "mobilenetv2"))
    split = load_network(factorize(light, "separable", _CHANNELS, least_share=0.1).model)
    return (
        Variant("none", load_network(original)),
        Variant("G1", light),
        Variant("G1+G2", split),
        Variant("G1+G2+G4", split, "fp16"),
    )


def fit(rows: Sequence[Variant], target: Target) -> Fit:
    """Calibrate on the first and the third row: their difference tells the efficiency, what is left the constant."""
    prepared = [prepare(row.network, target.in_format(row.format)) for row in (rows[0], rows[2])]
    wanted = PAPER[rows[0].name][2] - PAPER[rows[2].name][2]

    def seconds(slowness: float) -> tuple[float, float]:
        software = replaced(target, Fit(1 / slowness, 0.0)).accelerator.software
        first, third = (sum(layer.time_ns for layer in one.results(software)) * 1e-9 for one in prepared)
        return first - third, third

    # Time is almost linear in how slow arithmetic is.
    points = [(slowness, seconds(slowness)[0]) for slowness in (1.0, 2.0)]
    for _ in range(_STEPS):
        (x, a), (y, b) = points[-2:]
        points.append((y + (wanted - b) * (y - x) / (b - a), 0.0))
        gap, third = seconds(points[-1][0])
        points[-1] = points[-1][0], gap
    return Fit(1 / points[-1][0], PAPER[rows[2].name][2] - third)


def replaced(target: Target, found: Fit) -> Target:
    """The target with other constants."""
    accelerator = target.accelerator
    constants = {"efficiency": found.efficiency, "image_ms": 1e3 * found.constant_s}
    software = accelerator.software.model_copy(update=constants)
    return replace(target, accelerator=accelerator.model_copy(update={"software": software}))


def guideline_chapter() -> Chapter:
    """The case study; it takes shapes only, no data."""
    target = target_of(load_accelerator("rk3399-gpu"))
    rows = variants()
    found = fit(rows, target)
    fitted = replaced(target, found)
    costs = [cost_of(row.network, fitted, row.format) for row in rows]
    sections = (_table(rows, costs, found, fitted), _networks(rows, costs), *_walks(target))
    source = "TTA report, a guideline for making convolutional neural networks light, table 1"
    return Chapter("guideline", "Guideline for light networks", source, sections)


def _table(rows: Sequence[Variant], costs: Sequence[Cost], found: Fit, target: Target) -> Section:
    cells = []
    for row, cost in zip(rows, costs, strict=True):
        score, start_s, time_s = PAPER[row.name]
        error = 100 * (cost.time_s / time_s - 1)
        load = (f"{start_s:.3f}", f"{cost.stored_mb:.1f}")
        cells.append((row.name, f"{score}", *load, f"{time_s:.3f}", f"{cost.time_s:.3f}", f"{error:+.1f}"))
    peak = target.accelerator.peak_macs_per_s
    doubled = replace(target, rates={**target.rates, "fp16": 2.0})
    ideal = cost_of(rows[-1].network, replaced(doubled, found), "fp16").time_s
    notes = (
        f"Two constants, calibrated on rows none and G1+G2: arithmetic reaches {100 * found.efficiency:.1f} % of "
        f"{peak / 1e9:.1f} GMAC/s, and {1e3 * found.constant_s:.0f} ms of an image are in no layer. G1 is predicted.",
        "Transposed convolutions run as zero insertion and convolution, as Arm Compute Library runs them where kernel "
        "and stride differ: four times the products that count.",
        "G4 at the rate of fp32, as the report measured it; at the doubled rate that the GPU has for fp16 it would "
        f"take {ideal:.3f} s.",
        "Start-up loads the weights: it falls with their bytes, but not in proportion (it also compiles kernels), and "
        "not with fp16.",
        "PCKh is the report's; nothing was trained here. G3 cannot be used (no quantized transposed convolution), G5 "
        "saves no time.",
        "The report leaves open: the input's size (256 x 192 here, as PoseResNet has it), the joints (16), the back "
        "end of each layer, where MobileNetV2 was cut (before its last 1 x 1 convolution here), the adaptor (1 x 1 to "
        "2048 channels here).",
    )
    headings = ("steps", "PCKh@0.5, paper", "start-up s, paper", "weights MB", "s/image, paper", "s/image", "error %")
    return Section("PoseResNet-50 on RK3399 (the report's table 1)", headings, tuple(cells), notes)


def _walks(target: Target) -> tuple[Section, ...]:
    """What ``lighten`` does with the default network, whose weights are trained: agreement can be measured."""
    network = load_network(build_lite0())
    pictures = preprocess(random_crops(load_images(), _CROPS), INPUT_PIXELS, INPUT_PIXELS)
    options = Options(density=_DENSITY, without=("G1",))
    sections = []
    for goal in (Goal(stored_mb=4.0), Goal(energy_mj=8.0)):
        steps = lighten(network, target, goal, pictures, options)
        section = step_section(network.name, target, goal, steps)
        notes = (f"Without G1 and its training; {_CROPS} crops of the photos; G5 keeps {100 * _DENSITY:g} %.",)
        limit = f"{goal.stored_mb:g} MB" if goal.stored_mb else f"{goal.energy_mj:g} mJ"
        sections.append(replace(section, title=f"{section.title}: {limit}", notes=section.notes + notes))
    return tuple(sections)


def _networks(rows: Sequence[Variant], costs: Sequence[Cost]) -> Section:
    cells = tuple(
        (
            row.name,
            f"{row.network.macs / 1e9:.2f}",
            f"{cost.macs / 1e9:.2f}",
            f"{cost.parameters / 1e6:.2f}",
            f"{cost.external_bytes / 1e6:.1f}",
            f"{cost.energy_mj:.1f}",
        )
        for row, cost in zip(rows, costs, strict=True)
    )
    headings = ("steps", "MACs G", "with zero insertion", "parameters M", "external MB", "energy mJ")
    notes = (
        "Bytes and energy of an image as the simulator finds them, each row in its format. Energy of arithmetic, "
        "registers, a 32 KB bank and DRAM in 45 nm (Han et al., NIPS 2015, table 1; fp16 arithmetic: Horowitz, ISSCC "
        "2014): of the steps to each other, not of this board.",
    )
    return Section("What the steps change", headings, cells, notes)
