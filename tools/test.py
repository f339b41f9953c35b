r"""Test a checkpoint on the test split of a config, and draw and write what it does.

On several processes: bash tools/dist_test.sh CONFIG CHECKPOINT PROCESSES.

Examples:
    python tools/test.py configs/change_detection/oscd/CONFIG.py work_dirs/CONFIG/epoch_100.pth
    python tools/test.py CONFIG.py CHECKPOINT --show-dir pictures
    python tools/test.py CONFIG.py CHECKPOINT --out predictions
    python tools/test.py CONFIG.py CHECKPOINT --out predictions \
        --cfg-options test_evaluator=[] test_dataloader.dataset.masks=optional    # without labels
"""

import argparse
import sys

from mmengine.config import Config
from mmengine.model import is_model_wrapper

from swimdiff.apis.statistics_transfer import transfer_statistics
from swimdiff.errors import ConfigError, SwiMDiffError
from swimdiff.evaluation.change_threshold import set_test_threshold
from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.launch import adapt_to_device, add_run_arguments, build_runner, read_config
from swimdiff.launch.unknown_names import explain_unknown_name
from swimdiff.weights.checkpoint import read_checkpoint
from swimdiff.weights.pretrained import load_weights


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='path of a config, or its name inside the package')
    parser.add_argument('checkpoint', help='checkpoint that tools/train.py wrote with this config')
    parser.add_argument('--show-dir', help='draw every test image into this folder')
    parser.add_argument(
        '--out',
        help='write masks, probabilities and the scores of every image (classification: predicted '
        'classes and probabilities) into this new folder',
    )
    add_run_arguments(parser)
    return parser.parse_args(argv)


def build_config(args: argparse.Namespace) -> Config:
    """Merge the command line into the config."""
    cfg = read_config(args)
    if cfg.get('test_dataloader') is None:
        raise ConfigError(f'{args.config} has no test split (test_dataloader); nothing to test.')
    if args.show_dir:
        if 'visualization' not in cfg.default_hooks:
            raise ConfigError(
                f'{args.config} has no default_hooks.visualization; --show-dir needs one.'
            )
        cfg.default_hooks.visualization.update(enable=True, out_dir=args.show_dir)
    if args.out:
        hook = dict(type='swimdiff.TestOutputHook', out_dir=args.out)
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), hook]
    return cfg


def main(argv: list[str] | None = None) -> None:
    """Test; errors made on purpose are printed as one message, without a traceback."""
    args = parse_args(argv)
    try:
        cfg = build_config(args)
        adapt_to_device(cfg)
        checkpoint = read_checkpoint(args.checkpoint, weights_only=not args.trust_checkpoint)
        notes = transfer_statistics(cfg, checkpoint)
        set_test_threshold(cfg, checkpoint.meta)
        runner = build_runner(cfg)
        for level, note in notes:
            runner.logger.log(level, note)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        # Whole, or an error: the engine would only warn about what does not fit.
        runner.logger.info(load_weights(model, checkpoint, prefix=None))
        runner.test()
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')
    except (KeyError, TypeError) as error:
        if explanation := explain_unknown_name(error):
            sys.exit(f'\nConfigError: {explanation}')
        raise


if __name__ == '__main__':
    main()
