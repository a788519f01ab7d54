"""The guideline's walk: steps in its order, each a valid ONNX model, until a network meets its target.

G1 light backbone, G2 light convolutions, G5 pruning (only where memory is the problem), G3 int8; G4 half precision in
G3's place where an operator has no quantized kernel on the target or the outputs agree too little. A step that makes
nothing better is not taken; why stands in its report.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from golden.weights.prune import check_density
from sim.light_networks import BACKBONES, OPERATORS
from sim.lighten_backbone import swap_backbone
from sim.lighten_compress import formats_after, halve, prune_network, quantize_network
from sim.lighten_cost import Cost, cost_of
from sim.lighten_factorize import check_way, factorize
from sim.lighten_target import Target
from sim.network import Network, load_network
from sim.session import open_session, values_of

__all__ = ["Goal", "Options", "Step", "lighten"]

_RETRAIN = "needs retraining"
_STEPS = ("G1", "G2", "G3", "G4", "G5")


@dataclass(frozen=True)
class Goal:
    """What must be met, each where it is told: milliseconds, stored megabytes, millijoule of one image."""

    time_ms: float | None = None
    stored_mb: float | None = None
    energy_mj: float | None = None

    def __post_init__(self) -> None:
        told = [value for value in (self.time_ms, self.stored_mb, self.energy_mj) if value is not None]
        if not told:
            raise ValueError("target must be one or more of milliseconds, megabytes, millijoule, not none")
        if min(told) <= 0:
            raise ValueError(f"target must be positive, not {min(told)!r}")

    def met(self, cost: Cost) -> bool:
        """Whether a cost is no more than what is told."""
        pairs = (self.time_ms, cost.time_ms), (self.stored_mb, cost.stored_mb), (self.energy_mj, cost.energy_mj)
        return all(limit is None or found <= limit for limit, found in pairs)

    def helped(self, before: Cost, after: Cost) -> bool:
        """Whether something that is asked for gets less, and nothing that is asked for gets more."""
        asked = (
            (limit, getattr(before, name), getattr(after, name))
            for name, limit in (
                ("time_ms", self.time_ms),
                ("stored_mb", self.stored_mb),
                ("energy_mj", self.energy_mj),
            )
        )
        pairs = [(old, new) for limit, old, new in asked if limit is not None]
        return any(new < old for old, new in pairs) and all(new <= old for old, new in pairs)

    def memory_missing(self, cost: Cost) -> bool:
        """Whether memory is the problem."""
        return self.stored_mb is not None and cost.stored_mb > self.stored_mb


@dataclass(frozen=True)
class Options:
    """How the steps work.

    Attributes
    ----------
    backbone : str
        Preferred one of G1.
    way, channels : str, int
        Of G2: how convolutions are split, and the bottleneck's width.
    density : float
        Of G5.
    least_agreement : float
        Share of pictures on which G3 must choose as before, 0..1, or share of the outputs' energy it must keep.
    without : tuple of str
        Steps that are left out.
    """

    backbone: str = "mobilenetv2"
    way: str = "separable"
    channels: int = 64
    density: float = 0.3
    least_agreement: float = 0.9
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(f"backbone must be one of {tuple(BACKBONES)}, not {self.backbone!r}")
        check_way(self.way, self.channels)
        check_density(self.density)
        if not 0 <= self.least_agreement <= 1:
            raise ValueError(f"least agreement must be in 0..1, not {self.least_agreement!r}")
        wrong = [name for name in self.without if name not in _STEPS]
        if wrong:
            raise ValueError(f"without must name steps of {_STEPS}, not {wrong[0]!r}")


@dataclass(frozen=True, eq=False)
class Step:
    """One step, taken or not.

    Attributes
    ----------
    name : str
        ``none``, ``G1`` ... ``G5``.
    taken : bool
    told : str
        What was done, or why not.
    model : onnx.ModelProto
        The network after it.
    cost : Cost
    agreement : float or None
        Share of pictures with the network's choice as before the step (or share of the outputs' energy kept); None
        where it cannot be measured.
    """

    name: str
    taken: bool
    told: str
    model: onnx.ModelProto
    cost: Cost
    agreement: float | None = None


def lighten(
    network: Network, target: Target, goal: Goal, pictures: NDArray[np.float32], options: Options | None = None
) -> list[Step]:
    """Walk the guideline.

    Parameters
    ----------
    network : Network
    target : Target
    goal : Goal
    pictures : ndarray of float32, shape (n, channels, height, width)
        As the network takes them: they calibrate G3 and tell agreement.
    options : Options

    Returns
    -------
    list of Step
        The network as it is, then every step up to the one that meets the goal.
    """
    walk = _Walk(network, target, goal, pictures, options or Options())
    for names, step in (
        (("G1",), walk.backbone),
        (("G2",), walk.convolutions),
        (("G5",), walk.pruning),
        (("G3", "G4"), walk.precision),
    ):
        if goal.met(walk.cost):
            break
        if not set(names) <= set(walk.options.without):
            step()
    return walk.steps


class _Walk:
    """The network as far as it has come."""

    def __init__(
        self, network: Network, target: Target, goal: Goal, pictures: NDArray[np.float32], options: Options
    ) -> None:
        self.network, self.target, self.goal, self.pictures, self.options = network, target, goal, pictures, options
        self.cost = cost_of(network, target, target.first_format)
        missing = sorted({n.op_type for n in network.model.graph.node} & target.lacking)
        told = (
            f"the network as it is; the accelerator lacks {', '.join(missing)}" if missing else "the network as it is"
        )
        self.steps = [Step("none", True, told, network.model, self.cost)]

    def backbone(self) -> None:
        """G1."""
        names = sorted(BACKBONES, key=lambda name: name != self.options.backbone)
        ruled_out = {name: sorted(OPERATORS[name] & self.target.lacking) for name in names}
        usable = [name for name in names if not ruled_out[name]]
        reasons = [f"{name} is ruled out: no {', '.join(ops)}" for name, ops in ruled_out.items() if ops]
        if not usable:
            self._leave("G1", "; ".join(reasons))
            return
        try:
            model = swap_backbone(self.network.model, usable[0])
        except ValueError as error:
            self._leave("G1", str(error))
            return
        self._try("G1", model, "; ".join([f"backbone {usable[0]}, {_RETRAIN}", *reasons]))

    def convolutions(self) -> None:
        """G2."""
        found = factorize(self.network, self.options.way, self.options.channels)
        if not found.layers:
            self._leave("G2", "no heavy convolution is left that could be split")
            return
        shown = ", ".join(found.layers[:4]) + (f" and {len(found.layers) - 4} more" if len(found.layers) > 4 else "")
        self._try("G2", found.model, f"{len(found.layers)} convolutions split ({shown}), {_RETRAIN}")

    def pruning(self) -> None:
        """G5, before G3: only where memory is the problem."""
        if not self.goal.memory_missing(self.cost):
            self._leave("G5", "memory is not the problem: pruning saves no time")
            return
        model, file = prune_network(self.network.model, self.options.density)
        stored = sum(tensor.size_bits for tensor in file.tensors) / 8
        cost = cost_of(load_network(model), self.target, self.target.first_format, stored)
        told = f"{100 * self.options.density:g} % of the weights stay, stored by deepcomp; {_RETRAIN} for what it costs"
        self._take(Step("G5", True, told, model, cost, self._agreement(model)))

    def precision(self) -> None:
        """G3, or G4 in its place."""
        if "int8" not in self.target.rates or "G3" in self.options.without:
            self._leave("G3", "left out" if "G3" in self.options.without else "the accelerator has no int8")
            self._half()
            return
        float_only = {n.op_type for n in self.network.model.graph.node} & self.target.float_only
        if float_only and self._has_half:
            self._leave("G3", f"no quantized {', '.join(sorted(float_only))} on the accelerator: G4 in its place")
            self._half()
            return
        found = quantize_network(self.network, self.pictures, self.target.float_only)
        agreement = self._agreement(found.model)
        if agreement < self.options.least_agreement and self._has_half:
            self._leave("G3", f"outputs agree on {100 * agreement:.1f} % only: G4 in its place")
            self._half()
            return
        cost = cost_of(self.network, self.target, formats_after(self.network, found.islands), self._pruned_bytes())
        told = "int8, calibrated; all layers quantized"
        if found.islands:
            told = f"int8, calibrated; {len(found.islands)} float islands, {found.conversions} conversions"
        self._take(Step("G3", True, told, found.model, cost, agreement))

    def _half(self) -> None:
        """G4."""
        if not self._has_half:
            self._leave("G4", "left out" if "fp16" in self.target.rates else "the accelerator has no fp16")
            return
        model = halve(self.network.model)
        cost = cost_of(self.network, self.target, "fp16", self._pruned_bytes())
        self._take(Step("G4", True, "fp16", model, cost, self._agreement(model)))

    @property
    def _has_half(self) -> bool:
        return "fp16" in self.target.rates and "G4" not in self.options.without

    def _pruned_bytes(self) -> float | None:
        """Stored bytes after pruning: codes stay as they are whatever the format; None where nothing is pruned."""
        return self.cost.stored_bytes if any(step.name == "G5" and step.taken for step in self.steps) else None

    def _try(self, name: str, model: onnx.ModelProto, told: str) -> None:
        network = load_network(model)
        cost = cost_of(network, self.target, self.target.first_format)
        if not self.goal.helped(self.cost, cost):
            self._leave(name, f"it would not bring the target nearer: {told}")
            return
        self._take(Step(name, True, told, model, cost), network)

    def _take(self, step: Step, network: Network | None = None) -> None:
        self.steps.append(step)
        self.cost = step.cost
        if step.name in ("G1", "G2", "G5"):
            self.network = load_network(step.model) if network is None else network

    def _leave(self, name: str, why: str) -> None:
        self.steps.append(replace(self.steps[-1], name=name, taken=False, told=why, agreement=None))

    def _agreement(self, model: onnx.ModelProto) -> float:
        """Of a step that needs no retraining, with the network before it."""
        before, after = (_outputs(one, self.network, self.pictures) for one in (self.network.model, model))
        if before.ndim == 2 and before.shape[1] > 1:
            return float((before.argmax(1) == after.argmax(1)).mean())
        lost = float(np.square(before - after).sum()) / max(float(np.square(before).sum()), 1e-30)
        return max(0.0, 1 - lost)


def _outputs(model: onnx.ModelProto, network: Network, pictures: NDArray[np.float32]) -> NDArray[np.float64]:
    """The first output for every picture, as (pictures, values...); vectors lose sizes of 1."""
    session = open_session(model, ())
    name = network.outputs[0]
    found = [values_of(session, [name], {network.inputs[0]: one[None]})[name][0] for one in pictures]
    made: NDArray[np.float64] = np.stack(found).astype(np.float64)
    return made.reshape(len(made), -1) if made.size == len(made) * max(made.shape[1:]) else made
