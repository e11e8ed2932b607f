#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the pictures in tests/sources/images: JPEG files, and what Pillow makes of them as PNG.

    make_test_images.py FOLDER

Needs Pillow (Debian's python3-pil); the files there were made with version 9.4. The picture is drawn,
no photograph: soft colours, sharp edges and grain. NAME.jpg comes with NAME.png, its pixels, and
NAME_WxH.png, resized to cover WxH and cut as torchvision's Resize and CenterCrop do, and
NAME_keyK_WxH.png, cut, resized and mirrored at random as its RandomResizedCrop and
RandomHorizontalFlip do, the random numbers made of the key K.
"""

import math
import pathlib
import random
import sys

from PIL import Image

WIDTH, HEIGHT = 91, 67
SIZES = [(48, 48), (40, 25), (20, 60), (150, 101)]
KEYS = [(1, 48, 48), (2, 48, 48), (3, 40, 25), (4, 20, 60), (5, 64, 64), (6, 33, 47)]


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


class KeyedRandom:
    """SplitMix64."""

    def __init__(self, key):
        self.state = key

    def next(self):
        mask = 2**64 - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        x = self.state
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
        return x ^ (x >> 31)

    def uniform(self, low, high):
        return low + (high - low) * ((self.next() >> 11) / 2**53)

    def below(self, count):
        return ((self.next() >> 32) * count) >> 32


def crop_and_flip(image, key, size):
    """torchvision's RandomResizedCrop (get_params is followed line by line) and flip."""
    random_of = KeyedRandom(key)
    is_flipped = random_of.below(2) == 1
    for _ in range(10):
        area = image.width * image.height * random_of.uniform(0.08, 1)
        ratio = math.exp(random_of.uniform(math.log(3 / 4), math.log(4 / 3)))
        width = round(math.sqrt(area * ratio))
        height = round(math.sqrt(area / ratio))
        if 0 < width <= image.width and 0 < height <= image.height:
            top = random_of.below(image.height - height + 1)
            left = random_of.below(image.width - width + 1)
            break
    else:
        raise SystemExit(f"key {key} draws no part that fits")
    part = image.crop((left, top, left + width, top + height)).resize(size, Image.BILINEAR)
    return part.transpose(Image.FLIP_LEFT_RIGHT) if is_flipped else part


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
    for key, width, height in KEYS:
        crop_and_flip(decoded, key, (width, height)).save(
            folder / f"baseline_key{key}_{width}x{height}.png", optimize=True
        )


if __name__ == "__main__":
    main()
