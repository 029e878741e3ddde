"""`intarsia models`."""

from dataclasses import fields


def models(name: str | None = None, /, *, backbones: bool = False) -> None:
    """List models; with a name, say more of one; with --backbones, list backbones.

    Args:
        name: A model.
        backbones: List the backbones whose output stride is tested; other convolutional networks of timm work too.
    """
    from intarsia.backbones import list_backbones
    from intarsia.models import CATALOG
    from intarsia.models.catalog import entry

    if backbones:
        print("\n".join(list_backbones()))
    elif name is None:
        for model, row in CATALOG.items():
            where = f"on {row.backbone} at output stride {row.output_stride}"
            print(f"{model:<14} {row.title:<12} {row.year}  {row.paper:<17} {where}; forms: {', '.join(row.forms)}")
    else:
        row = entry(name)
        print(f"{row.title} ({row.year}, {row.paper}); {row.backbone} at output stride {row.output_stride} by default")
        for form, values in row.forms.items():
            options = ", ".join(f"{f.name}={getattr(values, f.name)}" for f in fields(values))
            print(f"  form {form}: {options}")
