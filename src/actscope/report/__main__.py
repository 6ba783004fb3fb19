import sys

from actscope.report.app import main

sys.exit(main())
