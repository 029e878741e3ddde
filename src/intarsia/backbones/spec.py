"""What a backbone says of itself, so that no decoder needs a number such as 2048."""

from dataclasses import dataclass

from intarsia.errors import ArgumentError


@dataclass(frozen=True)
class BackboneSpec:
    """The feature maps of a backbone, finest first, and the normalisation that its weights expect.

    ``strides`` are the actual ones, ``nominal_strides`` those of the undilated network: at output stride 8 the last map
    of a ResNet has stride 8 and nominal stride 32. ``mean`` and ``std`` are per channel, for images in [0, 1].

    ``own_origins`` are given by a network whose maps lie elsewhere than ``origins`` takes for granted.
    """

    name: str
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    nominal_strides: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    own_origins: tuple[float, ...] | None = None

    @property
    def origins(self) -> tuple[float, ...]:
        """Where the first sample of each map lies, in pixels: those of the image have their centres at 0, 1, 2, …

        A map of stride s is taken to tile the image, so that its first sample is the middle of s pixels, (s − 1) / 2;
        this is the geometry of resizing without ``align_corners``.

        >>> BackboneSpec("net", (8, 16), (2, 8), (2, 8), (0.5,), (0.5,)).origins
        (0.5, 3.5)
        """
        return tuple((stride - 1) / 2 for stride in self.strides) if self.own_origins is None else self.own_origins

    @property
    def in_channels(self) -> int:
        """Channels of the image."""
        return len(self.mean)

    @property
    def output_stride(self) -> int:
        """Input size / size of the last map."""
        return self.strides[-1]

    def index_of(self, nominal_stride: int) -> int:
        """Index of the deepest map at this nominal stride.

        >>> spec = BackboneSpec("net", (8, 16, 32), (2, 4, 4), (2, 4, 8), (0.5,), (0.5,))
        >>> spec.index_of(8)
        2
        """
        at_stride = [i for i, stride in enumerate(self.nominal_strides) if stride == nominal_stride]
        if not at_stride:
            have = ", ".join(map(str, self.nominal_strides))
            raise ArgumentError(
                f"Backbone `{self.name}` has no feature map at stride {nominal_stride}, only at {have}; "
                "choose a backbone that has one, such as resnet50."
            )
        return at_stride[-1]
