"""``python -m guerdon.cli``."""

import sys

from guerdon.cli import main

sys.exit(main())
