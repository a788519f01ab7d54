"""What NNC (ISO/IEC 15938-17) makes of integer weights, by Fraunhofer's `nncodec` where it is installed.

Only a size to compare with: its arithmetic coder (DeepCABAC) on one tensor, without the units around it. The package
asks for frameworks that the coder does not need; ``pip install --no-deps nncodec==2.1.3`` builds it alone, and the
coder is loaded without the rest.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MISSING", "nnc_bits"]

MISSING = "NNC is not compared: package nncodec is not installed (pip install --no-deps nncodec==2.1.3)."
_NAME = "nncodec.extensions.deepCABAC"
_UNARY_LENGTH = 11  # the package's own default


def nnc_bits(levels: NDArray[np.signedinteger[Any]]) -> int | None:
    """Size of a tensor of integers in bits; None where the package is not installed.

    Parameters
    ----------
    levels : ndarray of int, shape (filters, ...)
    """
    coder = _coder()
    if coder is None:
        return None
    encoder = coder.Encoder()
    encoder.initCtxModels(_UNARY_LENGTH, 1)
    rows = np.zeros(levels.shape[0], np.int32)
    off = coder.HdspMode.AlwaysOff, np.zeros(2, np.int8)
    encoder.encodeLayer(np.ascontiguousarray(levels, np.int32), 0, 0, 0, 0, 0, rows, *off, 0, 0)
    return 8 * int(encoder.finish().size)


@lru_cache
def _coder() -> Any:
    """The compiled coder, or None."""
    package = find_spec("nncodec")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for path in sorted((Path(folder) / "extensions").glob("deepCABAC*.so")):
            spec = spec_from_file_location(_NAME, path)
            if spec is not None and spec.loader is not None:
                module = module_from_spec(spec)
                spec.loader.exec_module(module)
                return module
    return None
