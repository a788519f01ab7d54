"""Groups the nodes of a graph into layers; the rules stand in `sim.network`."""

from dataclasses import dataclass
from math import prod

import onnx

from sim.graph import Graph
from sim.operators import RECTIFIED, Role, activation_of, block_activation, role_of

__all__ = ["Fusion", "Group", "fuse"]

_REACH = 12  # nodes looked ahead for branches to meet; GELU as exporters write it takes eight
_AFFINE = {"BatchNormalization", "Add", "Sub", "Mul", "Div"}
_KEEPS_ACTIVATION = {"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax"}


@dataclass(frozen=True, eq=False)
class Group:
    """Nodes of one layer, the tensors it reads, the value it makes and the function that made it."""

    nodes: tuple[onnx.NodeProto, ...]
    inputs: tuple[str, ...]
    output: str
    activation: str


def fuse(graph: Graph) -> "Fusion":
    """Group the nodes of `graph`.

    Raises
    ------
    ValueError
        If an operator cannot be placed, or a second output of an operator is used.
    """
    fusion = Fusion(graph)
    for index, node in enumerate(graph.nodes):
        if index not in fusion.taken and index not in fusion.moves:
            fusion.add_group(index, node)
    return fusion


class Fusion:
    """Groups made so far, and where values come from.

    Attributes
    ----------
    groups : list of Group
        In order of execution.
    taken : set of int
        Nodes inside groups.
    moves : set of int
        Nodes outside groups that make no tensor: moves, and affine functions applied on reading.
    """

    def __init__(self, graph: Graph) -> None:
        self.groups: list[Group] = []
        self.taken: set[int] = set()
        self._graph = graph
        self._roles = [role_of(node) for node in graph.nodes]
        self.moves = {index for index, role in enumerate(self._roles) if role is Role.MOVE}
        self._activations = {graph.image: "image"}  # of every finished tensor

    def origin(self, value: str) -> tuple[str, ...]:
        """Finished tensors that `value` consists of, looking through moves; empty if one is not finished."""
        found: dict[str, None] = {}
        todo = [value]
        while todo:
            name = todo.pop()
            index = self._graph.producer.get(name)
            if name in self._activations:
                found[name] = None
            elif index is not None and index in self.moves:
                todo += reversed(self._graph.dynamic_inputs(self._graph.nodes[index]))
            else:
                return ()
        return tuple(found)

    def add_group(self, index: int, node: onnx.NodeProto) -> None:
        """Start a group at a node and take in what follows it."""
        self._check_outputs(index, node)
        members, value, activation = [index], node.output[0], self._own_activation(node)
        self.taken.add(index)
        while grown := self._grow(value, activation):
            nodes = [self._graph.nodes[i] for i in grown]
            activation = self._block_activation(nodes, activation)
            value = nodes[-1].output[0]
            members += grown
            self.taken.update(grown)
            self.moves.difference_update(grown)
        made = {name for i in members for name in self._graph.nodes[i].output}
        reads = [n for i in members for n in self._graph.dynamic_inputs(self._graph.nodes[i]) if n not in made]
        inputs = tuple(dict.fromkeys(tensor for name in reads for tensor in self.origin(name)))
        nodes = [self._graph.nodes[i] for i in members]
        self.groups.append(Group(tuple(nodes), inputs, value, activation))
        self._activations[value] = activation
        if activation in RECTIFIED:
            self._read_affine(value)

    def _check_outputs(self, index: int, node: onnx.NodeProto) -> None:
        for name in node.output[1:]:
            if name in self._graph.readers or name in self._graph.outputs:
                raise ValueError(
                    f"operator must have one output that is used, not {node.op_type!r} "
                    f"(node {node.name or node.output[0]!r})"
                )

    def _own_activation(self, node: onnx.NodeProto) -> str:
        """Activation of a group's first node: pooling and local response norm keep the zeros of a rectifier."""
        before = self._activation_before(node)
        if node.op_type in _KEEPS_ACTIVATION:
            return before
        if node.op_type == "LRN" and before in RECTIFIED:
            return "relu"
        if role_of(node) is Role.POINTWISE:
            return activation_of(node, before, self._graph.constants)
        return "linear"

    def _activation_before(self, node: onnx.NodeProto) -> str:
        """The one activation of all tensors that a node reads."""
        kinds = {self._activations[t] for n in self._graph.dynamic_inputs(node) for t in self.origin(n)}
        if len(kinds) > 1:
            return "relu" if kinds <= RECTIFIED else "linear"
        return "linear" if kinds == {"image"} else kinds.pop()

    def _block_activation(self, nodes: list[onnx.NodeProto], before: str) -> str:
        pointwise = [node for node in nodes if role_of(node) is Role.POINTWISE]
        if len(pointwise) == 1:
            return activation_of(pointwise[0], before, self._graph.constants)
        return block_activation(pointwise)

    def _grow(self, value: str, activation: str) -> list[int]:
        """Fewest following nodes that together leave one value, the last one's; empty if there are none."""
        grown: list[int] = []
        values = {value}
        while len(grown) < _REACH:
            index = self._next(values, grown, value)
            if index is None:
                return []
            grown.append(index)
            last = self._graph.nodes[index].output[0]
            values.add(last)
            if self._is_end(index, len(grown), activation) and self._live(values, grown) == {last}:
                return grown
        return []

    def _next(self, values: set[str], grown: list[int], value: str) -> int | None:
        """First node in order that can work on `values` and leaves their size as it is."""
        candidates = {i for name in values for i in self._graph.readers.get(name, ())}
        for index in sorted(candidates - self.taken - set(grown)):
            node = self._graph.nodes[index]
            inputs = self._graph.dynamic_inputs(node)
            joins = self._roles[index] is Role.POINTWISE or (index in self.moves and len(inputs) == 1)
            same = prod(self._graph.shapes[node.output[0]]) == prod(self._graph.shapes[value])
            if joins and same and all(name in values or self.origin(name) for name in inputs):
                return index
        return None

    def _is_end(self, index: int, count: int, activation: str) -> bool:
        """Whether a group may end at a node: not at a move, not at an affine function of a rectified value."""
        if index in self.moves:
            return False
        node = self._graph.nodes[index]
        rectified = activation in RECTIFIED and count == 1
        return not (rectified and self._is_affine(node)) or node.output[0] in self._graph.outputs

    def _is_affine(self, node: onnx.NodeProto) -> bool:
        """Whether zeros are lost by a function with constants alone: a positive factor keeps them."""
        if node.op_type not in _AFFINE or len(self._graph.dynamic_inputs(node)) != 1:
            return False
        return activation_of(node, "relu", self._graph.constants) not in RECTIFIED

    def _live(self, values: set[str], grown: list[int]) -> set[str]:
        """Values that something outside needs."""
        inside = {*grown, *self.taken}
        return {
            name
            for name in values
            if name in self._graph.outputs or not inside.issuperset(self._graph.readers.get(name, ()))
        }

    def _read_affine(self, value: str) -> None:
        """Affine functions of a rectified tensor are applied by those who read it."""
        todo = [value]
        while todo:
            for index in self._graph.readers.get(todo.pop(), ()):
                node = self._graph.nodes[index]
                made = node.output[0]
                reads = self._is_affine(node) and made not in self._graph.outputs
                if reads or (index in self.moves and len(self._graph.dynamic_inputs(node)) == 1):
                    self.moves.add(index)
                    todo.append(made)
