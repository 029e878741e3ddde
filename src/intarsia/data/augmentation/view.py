"""A view of a sample: planned from its size and random draws alone, then made from the pixels that it names."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Shaped, UInt8, UInt16

from intarsia.data.augmentation.colour import Look, padding_colour
from intarsia.data.augmentation.geometry import Axis, plain, resized
from intarsia.data.augmentation.strengths import Augmentation
from intarsia.data.augmentation.warp import Warp, draw_displacement
from intarsia.errors import ArgumentError
from intarsia.shapes import IGNORE, IGNORE_UINT16, Mask, Picture, Window


@dataclass(frozen=True, eq=False)
class View:
    """One random view of a sample, before any pixel is read.

    Attributes:
        window: the rows and columns of the image and of the mask that `apply` needs.
        crop_size: rows and columns of the result.
        rows, columns: where the crop lies in the magnified image.
        warp: rotation and elastic deformation, if there are any.
        flipped: whether left and right are exchanged at the end.
        look: blur and colours.
    """

    window: Window
    crop_size: tuple[int, int]
    rows: Axis
    columns: Axis
    warp: Warp | None
    flipped: bool
    look: Look

    def apply(
        self,
        image: UInt8[np.ndarray, "H W C"],
        mask: UInt8[np.ndarray, "_ _"] | UInt16[np.ndarray, "_ _"],
    ) -> tuple[UInt8[np.ndarray, "h w C"], UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]]:
        """`window` of an image and of its mask → the view, of `crop_size`.

        Raises:
            ArgumentError: a picture has not the window's size.
        """
        new_image, (new_mask,) = self._applied(image, {"mask": mask}, ignore_of(mask))
        return new_image, new_mask

    def apply_to_depths(
        self, image: UInt8[np.ndarray, "H W C"], *depths: Float32[np.ndarray, "_ _"]
    ) -> tuple[UInt8[np.ndarray, "h w C"], tuple[Float32[np.ndarray, "h w"], ...]]:
        """`window` of an image and of maps of depths → the view; depths outside of the image are 0, unknown.

        What is magnified looks nearer: depths are divided by the magnification, as if the camera had moved, and keep
        their values but for that (Eigen et al., arXiv:1406.2283, section 3.4).

        Raises:
            ArgumentError: a picture has not the window's size.
        """
        names = [f"depth {number}" for number in range(1, 1 + len(depths))]
        new_image, maps = self._applied(image, dict(zip(names, depths, strict=True)), 0)
        return new_image, tuple(depth / np.float32(self.magnification) for depth in maps)

    @property
    def magnification(self) -> float:
        """How many pixels of the result are one of the image's, along a line."""
        return 1 / math.sqrt(self.rows.step * self.columns.step)

    @property
    def shares(self) -> tuple[float, float]:
        """How much of the image's rows and columns is seen, but for rotation and elastic deformation."""
        return self.rows.length / self.rows.scaled, self.columns.length / self.columns.scaled

    def _applied(
        self, image: Picture, maps: Mapping[str, Shaped[np.ndarray, "_ _"]], outside: int
    ) -> tuple[UInt8[np.ndarray, "h w C"], list[np.ndarray]]:
        size = tuple(part.stop - part.start for part in self.window)
        for name, shape in {"image": image.shape[:2], **{name: given.shape for name, given in maps.items()}}.items():
            if shape != size:
                raise ArgumentError(f"The {name} (={shape}) must be the view's window, which has {size} pixels.")
        if self.warp is None:
            return self._cut(image), [self._cut_labels(labels, outside) for labels in maps.values()]
        new_image, new_maps = self._warped(self.warp, image, [*maps.values()], outside)
        if self.flipped:
            return np.ascontiguousarray(new_image[:, ::-1]), [np.ascontiguousarray(new[:, ::-1]) for new in new_maps]
        return new_image, new_maps

    def _cut(self, image: Picture) -> UInt8[np.ndarray, "h w C"]:
        """Resize the box that is seen, mirrored at no cost, and pad around it."""
        axes = (self.rows, self.columns)
        seen = resized(image, self._corner, axes, (self.rows.span, self.columns.span), self.flipped)
        seen = self.look.applied(seen, None)
        if seen.shape[:2] == self.crop_size:
            return seen
        padding = np.tile(np.array(padding_colour(image.shape[2]), np.uint8), (self.crop_size[1], 1))
        new_image = np.repeat(padding[None], self.crop_size[0], axis=0)
        new_image[self._target] = seen
        return new_image

    def _cut_labels(self, labels: Shaped[np.ndarray, "_ _"], outside: int) -> Shaped[np.ndarray, "h w"]:
        """Likewise, each pixel from the one that holds its centre."""
        axes = zip((self.rows, self.columns), self._corner, strict=True)
        rows, columns = (axis.nearest() - first for axis, first in axes)
        seen = labels[rows][:, columns[::-1] if self.flipped else columns]
        if seen.shape == self.crop_size:
            return seen
        new_labels = np.full(self.crop_size, outside, labels.dtype)
        new_labels[self._target] = seen
        return new_labels

    def _warped(
        self, warp: Warp, image: Picture, maps: Sequence[Shaped[np.ndarray, "_ _"]], outside: int
    ) -> tuple[UInt8[np.ndarray, "h w C"], list[np.ndarray]]:
        """Read image and maps at the same positions. Only a reduction, which needs antialias, is a step of its own."""
        from intarsia.kernels.sampling import bilinear, nearest  # here, because Numba takes half a second to import

        rows, columns = self.rows, self.columns
        y, x = warp.positions(rows, columns, self.crop_size)
        beyond = (y < 0) | (y >= rows.scaled) | (x < 0) | (x >= columns.scaled)
        in_image = y * rows.step, x * columns.step
        if max(rows.step, columns.step) > 1:
            spans = warp.spans(rows, columns, self.crop_size)
            reduced = resized(image, self._corner, (rows, columns), spans, mirrored=False)
            new_image = bilinear(reduced, y, x, (spans[0][0], spans[1][0]), (rows.scaled, columns.scaled))
        else:
            new_image = bilinear(plain(image), *in_image, self._corner, (rows.size, columns.size))
        new_image = self.look.applied(new_image, ~beyond)
        for channel, grey in enumerate(padding_colour(image.shape[2])):  # several times as fast as all at once
            new_image[:, :, channel][beyond] = grey
        new_maps = [nearest(plain(labels), *in_image, self._corner, (rows.size, columns.size)) for labels in maps]
        for labels in new_maps:
            labels[beyond] = outside
        return new_image, new_maps

    @property
    def _target(self) -> Window:
        """Where in the result the image lies, if it does not fill it."""
        left = self.columns.target
        if self.flipped:
            left = slice(self.crop_size[1] - left.stop, self.crop_size[1] - left.start)
        return self.rows.target, left

    @property
    def _corner(self) -> tuple[int, int]:
        return self.window[0].start, self.window[1].start


def plan_view(
    size: tuple[int, int],
    augmentation: Augmentation,
    generator: np.random.Generator,
    focus: tuple[int, int] | None = None,
) -> View:
    """Draw a view of an image of `size` rows and columns: a pure function of size, strengths, generator and focus.

    With a `focus`, a row and column of the image, the crop is drawn evenly from those that show this pixel; a rotation
    or elastic deformation, which come after, may move it out again.
    """
    # Always the same draws, so that changing one strength leaves what the others do alone; the elastic nodes come last.
    draws = generator.random(10)
    low, high = np.log(augmentation.scale)
    scale = float(np.exp(low + (high - low) * draws[0]))
    crop = augmentation.crop_size
    rows, columns = (
        Axis.drawn(size[i], crop[i], scale, draws[1 + i], focus if focus is None else focus[i]) for i in (0, 1)
    )
    strengths = np.array((augmentation.brightness, augmentation.contrast, augmentation.saturation))
    factors = 1 + strengths * (2 * draws[4:7] - 1)
    angle = augmentation.rotation * (2 * float(draws[7]) - 1)
    least, largest = augmentation.blur
    blur = least + (largest - least) * float(draws[9]) if draws[8] < augmentation.blur_probability else 0.0

    warp = None
    if augmentation.rotation > 0 or augmentation.elastic > 0:
        elastic = augmentation.elastic
        warp = Warp(angle, draw_displacement(elastic, crop, generator) if elastic > 0 else None)
    spans = (rows.span, columns.span) if warp is None else warp.spans(rows, columns, crop)
    return View(
        window=(rows.needed(spans[0]), columns.needed(spans[1])),
        crop_size=crop,
        rows=rows,
        columns=columns,
        warp=warp,
        flipped=bool(draws[3] < augmentation.flip),
        look=Look(float(factors[0]), float(factors[1]), float(factors[2]), blur),
    )


def augment(
    image: UInt8[np.ndarray, "H W C"],
    mask: UInt8[np.ndarray, "_ _"] | UInt16[np.ndarray, "_ _"],
    augmentation: Augmentation,
    generator: np.random.Generator,
) -> tuple[UInt8[np.ndarray, "h w C"], UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]]:
    """A random view of a sample: `crop_size` pixels of the magnified image, perhaps turned, bent, flipped, recoloured.

    Image (bilinear, with antialias) and mask (nearest) share one geometry in which pixel centres agree: as if both were
    resized whole and then cropped. Outside of the image are `padding_colour` and ignore.

    Raises:
        ArgumentError: image and mask differ in size.
    """
    if image.shape[:2] != mask.shape:
        raise ArgumentError(
            f"The image (={image.shape[:2]}) and the mask (={mask.shape}) must have the same rows and columns."
        )
    view = plan_view(mask.shape, augmentation, generator)
    return view.apply(image[view.window], mask[view.window])


def ignore_of(mask: Mask) -> int:
    """What a mask of this type holds where there is no class."""
    return IGNORE if mask.dtype == np.uint8 else IGNORE_UINT16
