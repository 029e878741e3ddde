"""`intarsia check`."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intarsia.errors import ArgumentError


def check(
    data: str,
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    fix_list: Path | None = None,
    skip: Path | None = None,
    max_pixels: int = 500_000_000,
) -> int:
    """Look at every image and mask of a dataset once, and say all that is wrong or strange, and the class weights.

    The exit status is 1 if a file cannot be used. What was measured is kept by content: a second check is quick.

    Args:
        data: The dataset, as for train.
        as_json: Print JSON instead of a table.
        fix_list: Write a list of the files to leave out: those with errors, and training images that are in another
            split too. `intarsia train --skip` reads it.
        skip: A list of files to leave out.
        max_pixels: The largest image that is read.
    """
    if max_pixels < 1:
        raise ArgumentError(f"`--max-pixels` (={max_pixels}) must be at least 1.")

    from intarsia.cli.progress import progress
    from intarsia.data.checking import check as look
    from intarsia.data.checking import table
    from intarsia.data.skipping import read_skip_list, write_skip_list

    left_out = read_skip_list(skip, data) if skip else ()
    with progress("checking") as watch:
        report = look(data, skip=left_out, max_pixels=max_pixels, watch=watch)
    print(json.dumps(report.to_json(), allow_nan=False) if as_json else table(report))
    if fix_list is not None:
        files = report.to_skip()
        write_skip_list(fix_list, data, files)
        if not as_json:
            print(f"{len(files)} files to leave out are listed in `{fix_list}`.")
    return 1 if report.errors else 0
