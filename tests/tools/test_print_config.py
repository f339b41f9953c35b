"""tools/print_config.py prints a config that is whole and can be read back."""

import runpy

from fixtures.runs import ROOT
from mmengine.config import Config


def test_what_is_printed_is_the_config(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # found by name from any folder
    main = runpy.run_path(str(ROOT / 'tools/print_config.py'))['main']
    main(['swimdiff_r18_seco.py', '--cfg-options', 'model.lambda_d=0.5'])
    copy = tmp_path / 'copy.py'
    copy.write_text(capsys.readouterr().out)
    printed = Config.fromfile(copy)
    assert printed.model.backbone.depth == 18
    assert printed.model.lambda_d == 0.5
    assert printed.train_dataloader.dataset.type == 'SeCo'
