"""The hooks of the site are modules in a folder of their own."""

import sys

from fixtures.runs import ROOT

sys.path.append(str(ROOT / 'docs' / 'hooks'))
