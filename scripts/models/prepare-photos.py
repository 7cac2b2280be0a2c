"""Makes examples/photos from photographs in scikit-image and scikit-learn, and the reference values beside them.

    .cache/venv/bin/python scripts/models/prepare-photos.py

(The environment: see convert-image-classifier.py, which must have run before.) The photos are copied as they are, but
for coffee, which becomes WebP to be smaller, and chelsea-turned, the cat as a camera held sideways stores it.
"""

import io
import json

import numpy as np
import onnxruntime
import PIL
from package_files import ROOT, Wheel, sha256
from photo_tensor import photo_tensor
from PIL import Image

PHOTOS = ROOT / "examples" / "photos"
MODULE = ROOT / "examples" / "modules" / "efficientnet-lite0" / "classification"
CACHE = ROOT / ".cache" / "models" / "efficientnet-lite0"
# Each platform has its own wheel; the pictures in them are the same.
SKIMAGE = Wheel("scikit-image", "0.26.0", None)
SKLEARN = Wheel("scikit-learn", "1.9.1", None)
COPIED = [
    (SKIMAGE, "skimage/data/chelsea.png"),
    (SKIMAGE, "skimage/data/rocket.jpg"),
    (SKIMAGE, "skimage/data/camera.png"),
    (SKLEARN, "sklearn/datasets/images/china.jpg"),
    (SKLEARN, "sklearn/datasets/images/flower.jpg"),
]
EXIF_ORIENTATION = 0x0112


def make_photos() -> None:
    PHOTOS.mkdir(parents=True, exist_ok=True)
    for wheel, member in COPIED:
        (PHOTOS / member.rsplit("/", 1)[1]).write_bytes(wheel.read(member))
    coffee = Image.open(io.BytesIO(SKIMAGE.read("skimage/data/coffee.png"))).convert("RGB")
    coffee.save(PHOTOS / "coffee.webp", quality=85, method=6)
    coffee.save(MODULE / "coffee.jpg", quality=85, optimize=True)
    chelsea = Image.open(PHOTOS / "chelsea.png").convert("RGB")
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6  # to be turned by 90° clockwise to be upright
    chelsea.transpose(Image.Transpose.ROTATE_90).save(
        PHOTOS / "chelsea-turned.jpg", quality=90, optimize=True, exif=exif
    )


def make_reference() -> None:
    labels = (MODULE / "labels.txt").read_text(encoding="utf-8").splitlines()
    sessions = {
        name: onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for name, path in (
            ("float32", CACHE / "float32.onnx"),
            ("float16", MODULE / "model.onnx"),
            ("features", CACHE / "feature-vector.onnx"),
        )
    }
    photos = {}
    for path in sorted(PHOTOS.iterdir()):
        if path.suffix not in (".jpg", ".png", ".webp"):
            continue
        feeds = {"image": photo_tensor(str(path))[None]}
        original = sessions["float32"].run(["logits"], feeds)[0][0]
        committed = sessions["float16"].run(["logits"], feeds)[0][0]
        features = sessions["features"].run(["feature_vector"], feeds)[0][0]
        best = original.argsort()[::-1][:5]
        photos[path.name] = {
            "top5": [{"index": int(i), "label": labels[i], "logit": round(float(original[i]), 4)} for i in best],
            "committedTop1": int(committed.argmax()),
            "featureVectorFirst8": [round(float(value), 6) for value in features[:8]],
            "featureVectorNorm": round(float(np.linalg.norm(features)), 5),
            "featureVector": [round(float(value), 4) for value in features],
        }
    reference = {
        "origin": f"scripts/models/prepare-photos.py: Pillow {PIL.__version__}, onnxruntime {onnxruntime.__version__} "
        "(Python), CPU. top5 by the float32 graph with the published weights; feature vectors by the committed "
        "model.onnx, cut at feature_vector.",
        "preprocessing": "examples/modules/efficientnet-lite0/SOURCE.md",
        "photos": photos,
    }
    (PHOTOS / "reference.json").write_text(json.dumps(reference, indent=2) + "\n", encoding="utf-8")
    for path in sorted(PHOTOS.iterdir()):
        print(f"| `{path.name}` | {path.stat().st_size} | `{sha256(path)}` |")


if __name__ == "__main__":
    make_photos()
    make_reference()
