"""onnxruntime, opened so that chosen values inside the network come out of it."""

import re
from collections.abc import Iterable

import numpy as np
import onnx
import onnxruntime

__all__ = ["open_session", "values_of"]

_THREADS = 2  # the cores every figure of this project is measured on
_PLACE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (?:/\S+:\d+ [^()]*\([^()]*\) )?")
_FATAL_ONLY = 4  # onnxruntime's severity: errors come as exceptions, and are told once


def open_session(model: onnx.ModelProto, names: Iterable[str]) -> onnxruntime.InferenceSession:
    """Open a session whose outputs are the network's own and `names`.

    Parameters
    ----------
    model : onnx.ModelProto
        Not changed.
    names : iterable of str
        Values inside the graph. A value that is an output already is not added again.

    Raises
    ------
    ValueError
        If onnxruntime refuses the model, with its reason in one line.
    """
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    known = {value.name for value in (*model.graph.output, *model.graph.input)}
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    options.use_deterministic_compute = True
    try:
        return onnxruntime.InferenceSession(exposed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class for each fault and no common one
        raise ValueError(f"network must be one that onnxruntime can run: {_one_line(error)}") from error


def values_of(
    session: onnxruntime.InferenceSession, names: list[str], feed: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Run once; the values of `names` as arrays.

    Raises
    ------
    ValueError
        If the run fails, with onnxruntime's reason in one line.
    """
    try:
        found = session.run(names, feed) if names else []
    except Exception as error:
        raise ValueError(f"network must run on its input: {_one_line(error)}") from error
    return {name: np.asarray(values) for name, values in zip(names, found, strict=True)}


def _one_line(error: Exception) -> str:
    """The reason alone, without onnxruntime's error class and the place in its source."""
    return _PLACE.sub("", " ".join(str(error).split()))
