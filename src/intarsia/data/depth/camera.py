"""Where the pixels of an image look: a pinhole camera, and the files in which sets state theirs."""

import math
from dataclasses import dataclass
from pathlib import Path

from intarsia.data.depth.files import CAMERA, UNIT_FILE, read_stated
from intarsia.data.listing import read_text
from intarsia.errors import ArgumentError, DataError

KITTI_CALIBRATION = "calib_cam_to_cam.txt"

_PARTS = ("fx", "fy", "cx", "cy")
CAMERA_EXAMPLE = '{"camera": {"fx": 500, "fy": 500, "cx": 319.5, "cy": 239.5}}'


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion, in pixels of its image.

    The point x to the right, y below and z before the camera is seen at the column cx + fx · x / z and the row
    cy + fy · y / z; the middle of the first pixel is at column 0 and row 0.

    Attributes:
        fx: focal length across.
        fy: focal length down.
        cx: column of the principal point.
        cy: row of the principal point.

    Raises:
        ArgumentError: a focal length is not above 0, or a number is not finite.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.fx, self.fy, self.cx, self.cy))) or min(self.fx, self.fy) <= 0:
            raise ArgumentError(
                f"`camera` (={self.fx:g}, {self.fy:g}, {self.cx:g}, {self.cy:g}) must have focal lengths fx and fy "
                "above 0 and finite cx and cy, in pixels."
            )

    def halved(self) -> "Camera":
        """The camera of every second row and column of its image.

        >>> Camera(100, 100, 32, 24).halved()
        Camera(fx=50.0, fy=50.0, cx=16.0, cy=12.0)
        """
        return Camera(self.fx / 2, self.fy / 2, self.cx / 2, self.cy / 2)

    def cut(self, top: int, left: int) -> "Camera":
        """The camera of a part of its image that begins at this row and column.

        >>> Camera(100, 100, 32, 24).cut(4, 2)
        Camera(fx=100, fy=100, cx=30, cy=20)
        """
        return Camera(self.fx, self.fy, self.cx - left, self.cy - top)


def assumed_camera(shape: tuple[int, int]) -> Camera:
    """The camera of an image of these rows and columns of which nothing is known.

    It looks at the middle, and its focal length is the longer side: a view of 53°, as :func:`measure` takes for the
    lines of a sensor.

    >>> assumed_camera((480, 640))
    Camera(fx=640.0, fy=640.0, cx=319.5, cy=239.5)
    """
    focal = float(max(shape))
    return Camera(focal, focal, (shape[1] - 1) / 2, (shape[0] - 1) / 2)


def read_camera(root: Path) -> Camera | None:
    """The camera that a folder's depth.json states for all its images; None if it states none.

    Raises:
        DataError: what it states is no camera.
    """
    content = read_stated(root)
    if CAMERA not in content:
        return None
    try:
        return Camera(*(float(content[CAMERA][part]) for part in _PARTS))
    except (ValueError, KeyError, TypeError):  # an ArgumentError is a ValueError
        raise DataError(
            f"`{root / UNIT_FILE}` states no camera with focal lengths above 0: write its numbers in pixels, such as "
            f"{CAMERA_EXAMPLE}, or leave it out."
        ) from None


def read_kitti_calibration(path: Path, number: str) -> Camera:
    """The camera `number` ("02" or "03") of a day of KITTI's recordings, after rectification: its line P_rect.

    Raises:
        DataError: the file has no such line.
    """
    lines = dict(line.split(":", 1) for line in read_text(path).splitlines() if ":" in line)
    return _of_matrix(lines.get(f"P_rect_{number}", ""), 12, path)


def read_kitti_intrinsics(path: Path) -> Camera:
    """The camera in a file of nine numbers, as KITTI's selection has one beside each image.

    Raises:
        DataError: the file holds no such matrix.
    """
    return _of_matrix(read_text(path), 9, path)


def _of_matrix(text: str, count: int, path: Path) -> Camera:
    """From a matrix of three rows: fx 0 cx …, 0 fy cy …, 0 0 1 …."""
    try:
        numbers = [float(word) for word in text.split()]
        if len(numbers) != count:
            raise ValueError
        return Camera(numbers[0], numbers[count // 3 + 1], numbers[2], numbers[count // 3 + 2])
    except ValueError:
        raise DataError(
            f"`{path}` holds no camera of {count} numbers as KITTI writes them: fetch it again, or remove it."
        ) from None
