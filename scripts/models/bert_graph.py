"""A BERT encoder as an ONNX graph, built from weights named as in the Hugging Face checkpoint of `BertModel`."""

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
# Added to the scores of masked positions, as transformers 4.6 did: exp(-10000) is exactly 0 in float32.
MASKED = -10000.0


class _Builder:
    def __init__(self, weights: dict[str, np.ndarray]):
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.used: set[str] = set()

    def constant(self, name: str, values: np.ndarray) -> str:
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def weight(self, name: str) -> str:
        self.used.add(name)
        return self.constant(name, self.weights[name])

    def node(self, operator: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def linear(self, source: str, layer: str, output: str) -> str:
        """x · Wᵀ + b; PyTorch stores W as [out, in]."""
        self.used.add(f"{layer}.weight")
        transposed = self.constant(f"{layer}.weight.transposed", self.weights[f"{layer}.weight"].T)
        product = self.node("MatMul", [source, transposed], f"{output}.matmul")
        return self.node("Add", [product, self.weight(f"{layer}.bias")], output)

    def layer_norm(self, source: str, layer: str, epsilon: float, output: str) -> str:
        inputs = [source, self.weight(f"{layer}.weight"), self.weight(f"{layer}.bias")]
        return self.node("LayerNormalization", inputs, output, axis=-1, epsilon=epsilon)

    def gelu(self, source: str, output: str) -> str:
        """x/2 · (1 + erf(x/√2)), the exact form that `hidden_act: gelu` names."""
        divided = self.node("Div", [source, self.constant("sqrt2", np.float32(math.sqrt(2)))], f"{output}.scaled")
        erf = self.node("Erf", [divided], f"{output}.erf")
        raised = self.node("Add", [erf, self.constant("one", np.float32(1))], f"{output}.raised")
        product = self.node("Mul", [source, raised], f"{output}.product")
        return self.node("Mul", [product, self.constant("half", np.float32(0.5))], output)


def build_bert(config: dict, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """`input_ids`, `attention_mask`, `token_type_ids`, int64 [batch, sequence] → `last_hidden_state`, float32 [batch,
    sequence, hidden]. The pooler, which sentence transformers don't use, is left out."""
    if config["hidden_act"] != "gelu" or config.get("position_embedding_type", "absolute") != "absolute":
        raise ValueError("only exact GELU and absolute positions are built")
    hidden, heads, epsilon = config["hidden_size"], config["num_attention_heads"], config["layer_norm_eps"]
    head = hidden // heads
    b = _Builder(weights)

    words = b.node("Gather", [b.weight("embeddings.word_embeddings.weight"), "input_ids"], "embeddings.words")
    kinds = b.node(
        "Gather", [b.weight("embeddings.token_type_embeddings.weight"), "token_type_ids"], "embeddings.types"
    )
    shape = b.node("Shape", ["input_ids"], "ids.shape")
    length = b.node(
        "Slice", [shape, b.constant("int.1", np.array([1])), b.constant("int.2", np.array([2]))], "ids.length"
    )
    positions = b.node(
        "Slice",
        [b.weight("embeddings.position_embeddings.weight"), b.constant("int.0", np.array([0])), length],
        "embeddings.positions",
    )
    x = b.node("Add", [words, kinds], "embeddings.words+types")
    x = b.node("Add", [x, positions], "embeddings.sum")
    x = b.layer_norm(x, "embeddings.LayerNorm", epsilon, "embeddings.output")

    wide = b.node("Unsqueeze", ["attention_mask", b.constant("int.1,2", np.array([1, 2]))], "mask.wide")
    mask = b.node("Cast", [wide], "mask.float", to=TensorProto.FLOAT)
    mask = b.node("Sub", [b.constant("one", np.float32(1)), mask], "mask.inverted")
    mask = b.node("Mul", [mask, b.constant("masked", np.float32(MASKED))], "mask.additive")

    split = b.constant("split-heads", np.array([0, 0, heads, head]))
    join = b.constant("join-heads", np.array([0, 0, hidden]))
    for index in range(config["num_hidden_layers"]):
        layer, name = f"encoder.layer.{index}", f"layer{index}"
        parts = {}
        for part, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])):
            y = b.linear(x, f"{layer}.attention.self.{part}", f"{name}.{part}")
            y = b.node("Reshape", [y, split], f"{name}.{part}.heads")
            parts[part] = b.node("Transpose", [y], f"{name}.{part}.transposed", perm=order)
        scores = b.node("MatMul", [parts["query"], parts["key"]], f"{name}.scores")
        scores = b.node("Div", [scores, b.constant("sqrt-head", np.float32(math.sqrt(head)))], f"{name}.scores.scaled")
        scores = b.node("Add", [scores, mask], f"{name}.scores.masked")
        attention = b.node("Softmax", [scores], f"{name}.attention", axis=-1)
        y = b.node("MatMul", [attention, parts["value"]], f"{name}.context")
        y = b.node("Transpose", [y], f"{name}.context.transposed", perm=[0, 2, 1, 3])
        y = b.node("Reshape", [y, join], f"{name}.context.joined")
        y = b.linear(y, f"{layer}.attention.output.dense", f"{name}.attention.dense")
        y = b.node("Add", [y, x], f"{name}.attention.residual")
        x = b.layer_norm(y, f"{layer}.attention.output.LayerNorm", epsilon, f"{name}.attention.output")
        y = b.gelu(b.linear(x, f"{layer}.intermediate.dense", f"{name}.intermediate"), f"{name}.gelu")
        y = b.linear(y, f"{layer}.output.dense", f"{name}.dense")
        y = b.node("Add", [y, x], f"{name}.residual")
        last = index == config["num_hidden_layers"] - 1
        x = b.layer_norm(y, f"{layer}.output.LayerNorm", epsilon, "last_hidden_state" if last else f"{name}.output")

    unused = set(weights) - b.used - {"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"}
    if unused:
        raise ValueError(f"weights that no layer uses: {sorted(unused)}")
    ids = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "sequence", hidden])
    graph = helper.make_graph(b.nodes, "bert", ids, [output], list(b.initializers.values()))
    model = helper.make_model(
        graph,
        producer_name="modulehub",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    return model
