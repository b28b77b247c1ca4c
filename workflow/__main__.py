"""`python workflow COMMAND …`: the package from the folder that it lies in, whatever PYTHONPATH says.

A folder that is run puts itself first in sys.path, and never the working folder.
"""

from smallmix.commands.main import run_process

run_process()
