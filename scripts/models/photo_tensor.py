"""A photo as EfficientNet-Lite was trained to see it, by Pillow.

tensorflow/tpu, models/official/efficientnet: preprocessing.py (the centre of the picture, 224/(224+32) of its shorter
side, resized to 224 bicubically) and lite/efficientnet_lite_builder.py (MEAN_RGB 127, STDDEV_RGB 128).
Resizing the shorter side to 256 and cutting 224 from the centre is the same geometry, in torchvision's order.
"""

import numpy as np
from PIL import Image, ImageOps

RESIZE = 256
CROP = 224
MEAN = 127.0
DEVIATION = 128.0


def photo_tensor(path: str) -> np.ndarray:
    """Reads a picture and returns float32 [3, 224, 224], RGB, (value − 127) / 128."""
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, (255, 255, 255, 255))
            image = Image.alpha_composite(white, image)
        return picture_tensor(image.convert("RGB"))


def picture_tensor(image: Image.Image) -> np.ndarray:
    """As photo_tensor, for a decoded RGB picture."""
    width, height = image.size
    # The longer side is rounded down, as torchvision's Resize does.
    if width <= height:
        size = (RESIZE, int(RESIZE * height / width))
    else:
        size = (int(RESIZE * width / height), RESIZE)
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = round((size[0] - CROP) / 2), round((size[1] - CROP) / 2)
    pixels = np.asarray(image.crop((left, top, left + CROP, top + CROP)), dtype=np.float32)
    return ((pixels - np.float32(MEAN)) / np.float32(DEVIATION)).transpose(2, 0, 1).copy()
