"""What the tests of the pure core share."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has a module of its own: core_kit
