"""``python -m intarsia``."""

import sys

from intarsia.cli.main import main

sys.exit(main())
