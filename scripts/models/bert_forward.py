"""BERT in numpy, in float64, one text at a time and without padding: what the exported graph is checked against.

Devlin et al. 2019, section 3; Vaswani et al. 2017, sections 3.1 to 3.3. Written apart from packages/onnx, with which it
shares nothing but the names of the weights.
"""

import math

import numpy as np

_erf = np.vectorize(math.erf)


def last_hidden_state(config: dict, weights: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """[sequence, hidden] for one text's token ids, all of type 0."""

    def w(name: str) -> np.ndarray:
        return weights[name].astype(np.float64)

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(1, keepdims=True) + config["layer_norm_eps"])
        return centred / deviation * w(f"{name}.weight") + w(f"{name}.bias")

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return np.einsum("si,oi->so", x, w(f"{name}.weight")) + w(f"{name}.bias")

    x = np.stack([w("embeddings.word_embeddings.weight")[i] for i in ids])
    x = x + w("embeddings.position_embeddings.weight")[: len(ids)] + w("embeddings.token_type_embeddings.weight")[0]
    x = norm(x, "embeddings.LayerNorm")
    width = config["hidden_size"] // config["num_attention_heads"]
    for index in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{index}"
        q, k, v = (dense(x, f"{layer}.attention.self.{part}") for part in ("query", "key", "value"))
        contexts = []
        for start in range(0, config["hidden_size"], width):
            columns = slice(start, start + width)
            scores = q[:, columns] @ k[:, columns].T / math.sqrt(width)
            likelihood = np.exp(scores - scores.max(1, keepdims=True))
            contexts.append(likelihood / likelihood.sum(1, keepdims=True) @ v[:, columns])
        x = norm(
            x + dense(np.concatenate(contexts, 1), f"{layer}.attention.output.dense"),
            f"{layer}.attention.output.LayerNorm",
        )
        inner = dense(x, f"{layer}.intermediate.dense")
        inner = inner * (1 + _erf(inner / math.sqrt(2))) / 2
        x = norm(x + dense(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    return x


def sentence_embedding(config: dict, weights: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """The mean over the tokens, divided by its L2 norm: [hidden]."""
    mean = last_hidden_state(config, weights, ids).mean(0)
    return mean / np.linalg.norm(mean)
