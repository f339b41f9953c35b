"""Print a config with everything it inherits, and with overrides applied.

Examples:
    python tools/print_config.py swimdiff_r50_seco
    python tools/print_config.py configs/swimdiff_r18_seco.py --cfg-options model.lambda_d=0.5
"""

import sys

from mmengine.config import DictAction

from swimdiff.errors import SwiMDiffError
from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.config_reading import read_config_file


def main(argv: list[str] | None = None) -> None:
    """Print the config."""
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='path of a config, or its name inside the package')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    args = parser.parse_args(argv)
    try:
        cfg = read_config_file(args.config)
    except SwiMDiffError as error:
        sys.exit(f'{type(error).__name__}: {error}')
    cfg.merge_from_dict(args.cfg_options or {})
    print(cfg.pretty_text)


if __name__ == '__main__':
    main()
