"""Depths become coloured points in space, in a file that MeshLab, CloudCompare and Blender open."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from intarsia.data.depth.camera import Camera, assumed_camera
from intarsia.data.depth.files import Depth
from intarsia.data.pictures import as_rgb
from intarsia.errors import ArgumentError
from intarsia.files import atomic
from intarsia.shapes import Picture

_VERTEX = np.dtype([(axis, "<f4") for axis in "xyz"] + [(colour, "u1") for colour in ("red", "green", "blue")])
_TYPES = {"<f4": "float", "|u1": "uchar"}


def points_of(depth: Depth, camera: Camera) -> Float32[np.ndarray, "N 3"]:
    """A point for each pixel whose depth is known, row by row: metres to the right, up, and towards the viewer.

    The camera stands at the origin, and what it sees has a negative third coordinate, as in OpenGL: viewers then show
    the scene upright and from the front.

    >>> points_of(np.array([[2, 0, 4]], np.float32), Camera(1, 1, 1, 0))
    array([[-2.,  0., -2.],
           [ 4.,  0., -4.]], dtype=float32)
    """
    rows, columns = np.nonzero(depth > 0)
    z = depth[rows, columns].astype(np.float64)
    x, y = (columns - camera.cx) / camera.fx * z, (rows - camera.cy) / camera.fy * z
    return np.stack([x, 0.0 - y, -z], axis=1).astype(np.float32)  # 0 - 0 is 0, and -0 would be written as -0


def write_point_cloud(path: Path | str, depth: Depth, image: Picture, camera: Camera | None = None) -> None:
    """Write the pixels whose depth is known as a binary PLY file: float32 x, y, z in metres and 8-bit colours.

    The axes are those of :func:`points_of`. Without a camera that of :func:`assumed_camera` is taken, and a comment in
    the file says so: angles and sizes across are then not to be trusted. The file appears whole or not at all.

    Raises:
        ArgumentError: image and depth differ in size, a depth is negative or not finite, or none is above 0.
    """
    if image.shape[:2] != depth.shape:
        raise ArgumentError(
            f"The image (={image.shape[:2]}) and the depths (={depth.shape}) for `{path}` must have the same rows and "
            "columns."
        )
    if not np.isfinite(depth).all() or (depth < 0).any():
        raise ArgumentError(f"The depths for `{path}` must be metres from 0 on, and finite: put 0 where none is known.")
    if not depth.any():
        raise ArgumentError(f"The depths for `{path}` are all unknown (0), so that there is no point to write.")
    taken = camera or assumed_camera((depth.shape[0], depth.shape[1]))
    points = points_of(depth, taken)
    vertices = np.empty(len(points), _VERTEX)
    for axis, values in zip("xyz", points.T, strict=True):
        vertices[axis] = values
    for colour, values in zip(("red", "green", "blue"), as_rgb(image)[depth > 0].T, strict=True):
        vertices[colour] = values
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.write(_header(len(points), taken, camera is None))
        file.write(vertices.tobytes())


def _header(count: int, camera: Camera, assumed: bool) -> bytes:
    """As the PLY format of Stanford (Turk, 1994) begins: ASCII lines that end with a line feed alone."""
    origin = "assumed, a view of 53 degrees" if assumed else "of the image"
    fields = [f"property {_TYPES[kind[0].str]} {name}" for name, kind in (_VERTEX.fields or {}).items()]
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        "comment metres to the right, up, and towards the viewer; the camera is at the origin",
        f"comment camera {origin}: fx {camera.fx:g} fy {camera.fy:g} cx {camera.cx:g} cy {camera.cy:g} in pixels",
        f"element vertex {count}",
        *fields,
        "end_header",
    ]
    return ("\n".join(lines) + "\n").encode("ascii")
