"""What the tests of the data plane share."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has a module of its own: plane_kit
