#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the pictures in tests/sources/images: JPEG files, and what Pillow makes of them as PNG.

    make_test_images.py FOLDER

Needs Pillow (Debian's python3-pil); the files there were made with version 9.4. The picture is drawn,
no photograph: soft colours, sharp edges and grain. NAME.jpg comes with NAME.png, its pixels, and
NAME_WxH.png, resized to cover WxH and cut as torchvision's Resize and CenterCrop do.
"""

import math
import pathlib
import random
import sys

from PIL import Image

WIDTH, HEIGHT = 91, 67
SIZES = [(48, 48), (40, 25), (20, 60), (150, 101)]


def draw():
    """A picture with a bit of everything."""
    grain = random.Random(7)
    image = Image.new("RGB", (WIDTH, HEIGHT))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            red = 128 + 100 * math.sin(x / 17 + y / 29)
            green = 40 + 2.5 * y
            blue = 128 + 90 * math.cos((x - 30) * (y - 20) / 400)
            if (x - 60) ** 2 + (y - 30) ** 2 < 300:
                red, green, blue = 230, 60, 40
            if 10 < x < 30 and y % 6 < 3:
                red, green, blue = 20, 20, 30
            pixel = (int(value + grain.uniform(-6, 6)) for value in (red, green, blue))
            image.putpixel((x, y), tuple(min(max(value, 0), 255) for value in pixel))
    return image


def cover_and_cut(image, width, height):
    """torchvision's Resize and CenterCrop, for a size that need not be square."""
    if image.width * height <= image.height * width:
        resized = width, width * image.height // image.width
    else:
        resized = height * image.width // image.height, height
    if resized != image.size:
        image = image.resize(resized, Image.BILINEAR)
    left = round((resized[0] - width) / 2)
    top = round((resized[1] - height) / 2)
    return image.crop((left, top, left + width, top + height))


def main():
    folder = pathlib.Path(sys.argv[1])
    picture = draw()
    grey = picture.convert("L")
    cmyk = picture.convert("CMYK")
    picture.save(folder / "baseline.jpg", quality=85, subsampling="4:2:0")
    picture.save(folder / "full.jpg", quality=90, subsampling="4:4:4", optimize=True)
    picture.save(folder / "progressive.jpg", quality=85, subsampling="4:2:2", progressive=True)
    grey.save(folder / "grey.jpg", quality=85)
    cmyk.save(folder / "cmyk.jpg", quality=85)
    for name in ("baseline", "full", "progressive", "grey", "cmyk"):
        decoded = Image.open(folder / f"{name}.jpg").convert("RGB")
        decoded.save(folder / f"{name}.png", optimize=True)
    decoded = Image.open(folder / "baseline.jpg").convert("RGB")
    for width, height in SIZES:
        cover_and_cut(decoded, width, height).save(
            folder / f"baseline_{width}x{height}.png", optimize=True
        )


if __name__ == "__main__":
    main()
