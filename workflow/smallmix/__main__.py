"""`python -m smallmix COMMAND …`"""

import sys

from smallmix.commands.main import main

sys.exit(main())
