"""`python -m smallmix COMMAND …`, the same as `smallmix COMMAND …`."""

import os
import sys

if sys.path and sys.path[0] == os.getcwd():
    del sys.path[0]  # `-m` puts the working folder first, where a script named random.py is somebody's own

from smallmix.commands.main import run_process

run_process()
