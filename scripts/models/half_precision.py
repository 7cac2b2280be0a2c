"""Weights of a float32 graph stored as float16: half the bytes, computed in float32 as before."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def store_weights_as_float16(model: onnx.ModelProto, least_elements: int = 256) -> onnx.ModelProto:
    """Replaces each large float32 initializer by a float16 one and a Cast, which ONNX Runtime folds when it loads.

    Raises ValueError for a weight beyond float16's range.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    casts, initializers = [], []
    for initializer in model.graph.initializer:
        values = numpy_helper.to_array(initializer)
        if values.dtype != np.float32 or values.size < least_elements:
            initializers.append(initializer)
            continue
        halves = values.astype(np.float16)
        if not np.isfinite(halves).all():
            raise ValueError(f"{initializer.name} does not fit into float16")
        stored = f"{initializer.name}.float16"
        initializers.append(numpy_helper.from_array(halves, stored))
        casts.append(
            helper.make_node(
                "Cast", [stored], [initializer.name], name=f"{initializer.name}.cast", to=TensorProto.FLOAT
            )
        )
    nodes = list(model.graph.node)
    del result.graph.node[:], result.graph.initializer[:]
    result.graph.node.extend(casts + nodes)
    result.graph.initializer.extend(initializers)
    onnx.checker.check_model(result, full_check=True)
    return result
