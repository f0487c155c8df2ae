"""Matching: corresponding points of two images, by the descriptors of a network.

A network gives every pixel a descriptor of `BITS` values, as R2D2 does (Revaud et al., 2019), at full resolution. The
descriptors of a binary network are +1 and -1; the largest cosine is then the smallest Hamming distance. Points are
corners (Shi and Tomasi, 1994) of image A; the candidates for each are the places of all points of A in image B.

A is cut from a photograph, and B from the same photograph through a homography, with other contrast, other brightness
and noise; or both are cut from a real stereo pair.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from signum.golden.layers.blocks import Blocks, Network, Style
from signum.golden.layers.encoder import BitPlanes
from signum.golden.training.trainer import Recipe

from .photographs import photographs, random_view, stereo_pair
from .task import SplitName, Task, softened

__all__ = ["Correspondences", "Matching", "brief", "corners", "mapped", "nearest", "patch_signs",
           "photometric", "random_homography", "strength", "warp"]

BITS = 128
SIZE = 64           # pixels of an image's side
CROP = 40           # pixels of a training image's side
POINTS = 32         # of a training pair, at most
MARGIN = 8          # pixels from a point to the image's edge, at least, in A and in B
STRENGTH = 1.5      # of a corner, grey levels a pixel
PAIRS = 40          # of a split
TEMPERATURE = 0.05  # of the loss
PATCH = 11          # pixels of a side, of the baseline of patch signs
SHOWN = 4           # pairs in a picture
RIGHT, WRONG = "#4c9be8", "#e0483e"


@dataclass(frozen=True, eq=False)
class Correspondences:
    """Corresponding points: ``a`` and ``b``, (N, 3) int64, each the image's number in its stack, y and x."""

    a: np.ndarray
    b: np.ndarray


def random_homography(rng: np.random.Generator, size: int) -> np.ndarray:
    """A homography (3, 3) of points (x, y, 1) about the middle of an image of ``size`` pixels a side.

    Turns by at most 45 degrees, scales by 1/1.4 to 1.4, moves by at most 3 pixels, and tilts: along either axis the
    scale differs by at most 30 % between opposite edges.
    """
    angle, scale = np.deg2rad(rng.uniform(-45, 45)), 1.4 ** rng.uniform(-1, 1)
    sine, cosine = scale * np.sin(angle), scale * np.cos(angle)
    turned = np.array([[cosine, -sine, 0], [sine, cosine, 0], [*rng.uniform(-0.3, 0.3, 2) / size, 1]])
    middle = (size - 1) / 2
    there = middle + rng.uniform(-3, 3, 2)
    return _shift(*there) @ turned @ _shift(-middle, -middle)


def _shift(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


def mapped(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (..., 2), each y and x, under a homography."""
    x, y, w = np.moveaxis(points[..., ::-1] @ homography[:, :2].T + homography[:, 2], -1, 0)
    return np.stack([y / w, x / w], axis=-1)


def warp(photograph: np.ndarray, homography: np.ndarray, origin: tuple[int, int], size: int) -> np.ndarray:
    """The image, float64 (size, size), whose value at `mapped` (homography, p) is the photograph's at origin + p.

    Interpolation is linear; points outside of the photograph have the value of its nearest pixel.
    """
    places = np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="ij"), axis=-1)
    sources = mapped(np.linalg.inv(homography), places) + origin
    return ndimage.map_coordinates(photograph, np.moveaxis(sources, -1, 0), output=np.float64, order=1, mode="nearest")


def photometric(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """An image at another contrast (0.7 to 1.4) and brightness (by at most 25), with noise (deviation 6), rounded."""
    gain = np.exp(rng.uniform(-0.35, 0.35))
    changed = 128 + gain * (image - 128.0) + rng.uniform(-25, 25) + rng.normal(0, 6, image.shape)
    return np.floor(np.clip(changed, 0, 255) + 0.5).astype(np.int64)


def strength(images: np.ndarray) -> np.ndarray:
    """Corner strength of each pixel, float64 (B, H, W), in grey levels a pixel.

    The root of the smaller eigenvalue of the structure tensor: Gauss windows of 1 pixel for the derivatives and of 1.5
    pixels for their products.
    """
    values = images.astype(np.float64)
    dy, dx = (ndimage.gaussian_filter(values, (0, 1, 1), order) for order in ((0, 1, 0), (0, 0, 1)))
    yy, yx, xx = (ndimage.gaussian_filter(a * b, (0, 1.5, 1.5)) for a, b in ((dy, dy), (dy, dx), (dx, dx)))
    return np.sqrt(np.maximum((yy + xx) / 2 - np.sqrt(np.square((yy - xx) / 2) + np.square(yx)), 0))


def corners(images: np.ndarray) -> np.ndarray:
    """The corners (N, 3) of images (B, H, W): number of the image, y, x.

    A corner's strength is at least `STRENGTH`, and the largest of the 3x3 pixels around.
    """
    values = strength(images)
    return np.argwhere((values >= STRENGTH) & (values == ndimage.maximum_filter(values, (1, 3, 3))))


Place = tuple[np.ndarray, int, int]
"""A photograph, and the first line and column of image A."""


def _pairs(rng: np.random.Generator, places: list[Place], size: int,
           choose: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, Correspondences]:
    """Pairs cut at ``places``: images (2N, 1, size, size), all A before all B, and the correspondences of the points
    (N, 3) chosen in all A."""
    homographies = [random_homography(rng, size) for _ in places]
    a = np.array([_cut(place, size) for place in places]).astype(np.int64)
    b = np.array([photometric(rng, warp(photograph, homography, (y, x), size))
                  for homography, (photograph, y, x) in zip(homographies, places, strict=True)])
    points = choose(a)
    there = np.zeros((len(points), 2))
    for number, homography in enumerate(homographies):
        mine = points[:, 0] == number
        there[mine] = mapped(homography, points[mine, 1:])
    return np.concatenate([a, b])[:, None], _inside(points, there, len(places), size)


def _inside(points: np.ndarray, there: np.ndarray, pairs: int, size: int) -> Correspondences:
    """Points (N, 3) of A and their places (N, 2) in B, at the nearest pixels, without points near an edge.

    Of several points on one pixel of B the first is kept.
    """
    other = np.column_stack([points[:, 0] + pairs, np.floor(there + 0.5).astype(np.int64)])
    both = np.concatenate([points[:, 1:], other[:, 1:]], axis=1)
    kept = ((both >= MARGIN) & (both < size - MARGIN)).all(axis=1)
    points, other = points[kept], other[kept]
    kept = np.sort(np.unique(other, axis=0, return_index=True)[1])
    return Correspondences(points[kept], other[kept])


def _cut(place: Place, size: int) -> np.ndarray:
    photograph, y, x = place
    return photograph[y:y + size, x:x + size]


def _rich(place: Place, size: int) -> bool:
    """Whether a place has at least one corner for each 256 pixels."""
    return len(corners(_cut(place, size)[None])) >= size * size / 256


def _grid(photograph: np.ndarray) -> list[Place]:
    """Adjacent places, with room around them for a homography."""
    room = SIZE // 4
    return [(photograph, y, x) for y in range(room, photograph.shape[0] - SIZE - room + 1, SIZE)
            for x in range(room, photograph.shape[1] - SIZE - room + 1, SIZE)]


def _random_place(rng: np.random.Generator) -> Place:
    """A random place with enough corners, in a training photograph."""
    while True:
        view = random_view(rng, photographs("train"))
        y, x = (int(rng.integers(length - CROP + 1)) for length in view.shape)
        if _rich((view, y, x), CROP):
            return view, y, x


@cache
def _split(name: SplitName) -> tuple[np.ndarray, Correspondences]:
    rng = np.random.default_rng({"validation": 1, "test": 2}[name])
    grids = [[place for place in _grid(image) if _rich(place, SIZE)] for image in photographs(name)]
    orders = [rng.permutation(len(grid)) for grid in grids]
    turns = [divmod(i, len(grids))[::-1] for i in range(PAIRS)]
    return _pairs(rng, [grids[image][orders[image][turn]] for image, turn in turns], SIZE, corners)


@cache
def _stereo() -> tuple[np.ndarray, Correspondences]:
    left, right, disparity = stereo_pair()
    found = corners(left[None])[:, 1:]
    a: list[np.ndarray] = []
    b, points, there = [], [], []
    for _, y, x in _grid(left):
        mine = found[((found >= (y, x)) & (found < (y + SIZE, x + SIZE))).all(axis=1)]
        shift = disparity[mine[:, 0], mine[:, 1]]
        mine, shift = mine[np.isfinite(shift)], shift[np.isfinite(shift)]
        start = x - int(np.median(shift)) if _rich((left, y, x), SIZE) and len(mine) else -1
        if start < 0:
            continue
        points.append(np.column_stack([np.full(len(mine), len(a)), mine - (y, x)]))
        there.append(np.column_stack([mine[:, 0] - y, mine[:, 1] - shift - start]))
        a.append(left[y:y + SIZE, x:x + SIZE])
        b.append(right[y:y + SIZE, start:start + SIZE])
    images = np.array(a + b).astype(np.int64)[:, None]
    return images, _inside(np.concatenate(points), np.concatenate(there), len(a), SIZE)


def nearest(descriptors: np.ndarray, truth: Correspondences) -> np.ndarray:
    """Index, int64 (N,), of the candidate of its pair that is nearest to each point of A by the cosine.

    Descriptors (B, D, H, W). Of equally near candidates the first counts.
    """
    here, there = (np.asarray(descriptors[p[:, 0], :, p[:, 1], p[:, 2]], np.float64) for p in (truth.a, truth.b))
    # the length of A's descriptor changes no order; a descriptor of zeros has cosine 0
    there /= np.maximum(np.linalg.norm(there, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    found = np.empty(len(here), np.int64)
    for number in np.unique(truth.a[:, 0]):
        mine = np.flatnonzero(truth.a[:, 0] == number)
        found[mine] = mine[(here[mine] @ there[mine].T).argmax(axis=1)]
    return found


def patch_signs(images: np.ndarray) -> np.ndarray:
    """Signs of the `PATCH` x `PATCH` pixels around each, relative to their mean: int8 +1 and -1, (B, D, H, W)."""
    values = images[:, 0].astype(np.float64)
    return _signs(values, [(ndimage.uniform_filter(values, (0, PATCH, PATCH), mode="nearest"), y, x)
                           for y in range(-(PATCH // 2), PATCH // 2 + 1) for x in range(-(PATCH // 2), PATCH // 2 + 1)])


def brief(images: np.ndarray) -> np.ndarray:
    """256 comparisons of smoothed pixels, int8 +1 and -1, (B, 256, H, W), after BRIEF (Calonder et al., 2010).

    Compared pixels lie around each with a deviation of 31/5, at most 15 away; smoothing is a Gauss window of 2 pixels.
    """
    smooth = ndimage.gaussian_filter(images[:, 0].astype(np.float64), (0, 2, 2), mode="nearest")
    tests = np.random.default_rng(0).normal(0, 31 / 5, (256, 2, 2)).round().clip(-15, 15).astype(int)
    return _signs(smooth, [(_moved(smooth, *other), *one) for one, other in tests])


def _signs(values: np.ndarray, tests: list[tuple[np.ndarray, int, int]]) -> np.ndarray:
    """Signs of tests (levels, y, x): +1 where the value y lines and x columns on is at least the level, else -1."""
    return np.stack([np.where(_moved(values, y, x) >= levels, 1, -1).astype(np.int8) for levels, y, x in tests], axis=1)


def _moved(values: np.ndarray, y: int, x: int) -> np.ndarray:
    """At each pixel the value y lines and x columns on; the outermost pixels are repeated outwards."""
    lines, columns = (np.clip(np.arange(length) + step, 0, length - 1)
                      for length, step in zip(values.shape[1:], (y, x), strict=True))
    return values[:, lines[:, None], columns]


BASELINES = {"patch signs, 121 bits": patch_signs, "BRIEF, 256 bits": brief}


def _likeness(outputs: Tensor, targets: tuple[Tensor, ...]) -> Tensor:
    """Cosines of the descriptors of all points (N, 3) in A, with those of all points in B: (N, N), over
    `TEMPERATURE`."""
    here, there = (functional.normalize(outputs[p[:, 0], :, p[:, 1], p[:, 2]], dim=1) for p in targets)
    return here @ there.T / TEMPERATURE


class Matching(Task):
    """Points of image A found again in image B; the metric is the share of right matches, in percent.

    Images (2N, 1, H, W) are N times A, then N times B. Results (2N, BITS, H, W) are the descriptors, of any length.
    """

    name = "matching"
    metric = "top-1 accuracy %"
    input_shape = (1, CROP, CROP)
    outputs = BITS
    stride = 1
    encoder = BitPlanes(8)
    recipe = Recipe(steps=3000, batch=4, real_share=0.0, scores=8)
    style = Style(residual="concat", activation_gains=False, rectified=True, first_levels=3, levels=3, last_levels=3,
                  code_levels=7, first_bits=3)
    answer = "words"

    def network(self, blocks: Blocks) -> Network:
        """Filters of pixels, two pairs of convolutions, and a convolution of pixels up to 4 apart.

        The receptive field of a descriptor is 25x25 pixels.
        """
        width = blocks.width(16)
        return Network(blocks, nn.Sequential(
            blocks.pixels(1, width, kernel=5, centred=True),
            blocks.pair(width, width),
            blocks.pair(width, width, dilation=2, last=True),
            blocks.code(width, BITS, kernel=5, dilation=2)))

    def batch(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, tuple[Tensor, ...]]:
        """``size`` pairs (2 size, 1, 40, 40), and their points (N, 3) in A and in B, int64.

        Points are any pixels of a corner's strength, at most `POINTS` a pair.
        """
        images, pairs = _pairs(rng, [_random_place(rng) for _ in range(size)], CROP,
                               lambda a: rng.permutation(np.argwhere(strength(a) >= STRENGTH)))
        order = np.argsort(pairs.a[:, 0], kind="stable")
        numbers = pairs.a[order, 0]
        order = order[np.arange(len(order)) - np.searchsorted(numbers, numbers) < POINTS]
        return images, (torch.from_numpy(pairs.a[order]), torch.from_numpy(pairs.b[order]))

    def loss(self, outputs: Tensor, targets: tuple[Tensor, ...]) -> Tensor:
        """InfoNCE (van den Oord et al., 2018) of the cosines, both ways; candidates are the points of all pairs."""
        likeness = _likeness(outputs, targets)
        right = torch.arange(len(likeness), device=likeness.device)
        return (functional.cross_entropy(likeness, right) + functional.cross_entropy(likeness.T, right)) / 2

    def imitation(self, outputs: Tensor, teacher: Tensor, targets: tuple[Tensor, ...]) -> Tensor:
        """The divergence of the likenesses of all points, both ways, from the teacher's."""
        given, wanted = (_likeness(descriptors, targets) for descriptors in (outputs, teacher))
        return (softened(given, wanted) + softened(given.T, wanted.T)) / 2

    def split(self, name: SplitName) -> tuple[np.ndarray, Correspondences]:
        """`PAIRS` pairs (2 PAIRS, 1, 64, 64) under homographies, of the split's photographs in equal shares."""
        return _split(name)

    def stereo(self) -> tuple[np.ndarray, Correspondences]:
        """Pairs (2N, 1, 64, 64) of a real stereo pair, for `score`. B is cut at the median disparity of its points."""
        return _stereo()

    def score(self, outputs: np.ndarray, truth: Correspondences) -> float:
        """The share of A's points, in percent, whose `nearest` candidate in B is right."""
        return 100 * float((nearest(outputs, truth) == np.arange(len(truth.a))).mean())

    def test_set(self) -> str:
        (_, truth), (_, stereo) = self.split("test"), self.stereo()
        return (f"{len(truth.a)} points in {PAIRS} pairs; one is {100 / len(truth.a):.2f} points (stereo pair: "
                f"{len(stereo.a)} points)")

    def baselines(self) -> dict[str, float]:
        """Test accuracy of patch signs and of BRIEF."""
        images, truth = self.split("test")
        return {name: self.score(method(images), truth) for name, method in BASELINES.items()}

    def baselines_stereo(self) -> dict[str, float]:
        """The same on the stereo pair."""
        images, truth = self.stereo()
        return {name: self.score(method(images), truth) for name, method in BASELINES.items()}

    def further(self) -> dict[str, tuple[np.ndarray, Correspondences, dict[str, float]]]:
        """The stereo pair."""
        return {"stereo pair": (*self.stereo(), self.baselines_stereo())}

    def picture(self, path: Path, images: np.ndarray, truth: Correspondences, outputs: dict[str, np.ndarray]) -> None:
        """Pairs, and for each network a line from every point of A to its nearest candidate in B."""
        pairs = [int(number) for number in np.linspace(0, len(images) // 2, SHOWN, endpoint=False)]
        figure = Figure(figsize=(3.4 * len(outputs), 2 * SHOWN), layout="constrained")
        grid = figure.subplots(SHOWN, len(outputs), squeeze=False)
        for column, (name, descriptors) in zip(grid.T, outputs.items(), strict=True):
            found = nearest(descriptors, truth)
            for axes, pair in zip(column, pairs, strict=True):
                mine = np.flatnonzero(truth.a[:, 0] == pair)
                shown = np.hstack([images[pair, 0], images[pair + len(images) // 2, 0]])
                axes.imshow(shown, cmap="gray", vmin=0, vmax=255)
                for here, there in zip(mine, found[mine], strict=True):
                    right = here == there
                    axes.plot([truth.a[here, 2], truth.b[there, 2] + images.shape[3]],
                              [truth.a[here, 1], truth.b[there, 1]], linewidth=0.9, marker=".", markersize=3,
                              color=RIGHT if right else WRONG, zorder=1 if right else 2)
                axes.set_title(f"{name}: {(found[mine] == mine).sum()} of {len(mine)}", fontsize=9)
                axes.set_xticks([])
                axes.set_yticks([])
        figure.suptitle("Points of A and their nearest candidates in B, right (blue) and wrong (red)", fontsize=10)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=130)
