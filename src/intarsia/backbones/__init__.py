"""Classification networks as feature pyramids at any output stride."""

from intarsia.backbones.backbone import Backbone
from intarsia.backbones.create import create_backbone, list_backbones
from intarsia.backbones.dilate import with_output_stride
from intarsia.backbones.spec import BackboneSpec

__all__ = ["Backbone", "BackboneSpec", "create_backbone", "list_backbones", "with_output_stride"]
