"""Code in a checkpoint is refused on every way in: the engine's, ours, the command line's."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from fixtures.tiny import TinyModel, write_config
from fixtures.tools import load_tool
from mmengine.logging import HistoryBuffer
from mmengine.model import PretrainedInit
from mmengine.runner import Runner, load_checkpoint
from safetensors.torch import save_file

from swimdiff.errors import CheckpointError
from swimdiff.launch.config_reading import read_config_file
from swimdiff.weights.checkpoint import read_checkpoint
from swimdiff.weights.engine_loading import guard_engine
from swimdiff.weights.unpickling import load_torch, trust_checkpoints

guard_engine()


def test_importing_the_registries_changes_nothing_of_the_engine():
    code = (
        'from mmengine.runner import CheckpointLoader\n'
        'before = dict(CheckpointLoader._schemes)\n'
        'import swimdiff.engine, swimdiff.apis\n'
        'from swimdiff.registry import MODELS\n'
        "MODELS.get('swimdiff.SceneQueue')\n"
        'assert CheckpointLoader._schemes == before'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


class Bomb:
    def __reduce__(self):
        return os.system, ('touch exploded',)


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A whole checkpoint that would create a file; afterwards none must be there."""
    monkeypatch.chdir(tmp_path)
    state = TinyModel().state_dict()
    torch.save(dict(state_dict=state, meta=dict(epoch=0, iter=0), optimizer=Bomb()), 'evil.pth')
    yield tmp_path / 'evil.pth'
    assert not (tmp_path / 'exploded').exists()


REFUSED = 'evil.pth is no plain file of weights.*system.*--trust-checkpoint'


def test_the_engine_and_its_initialiser_refuse(evil):
    for load in (
        lambda: load_checkpoint(TinyModel(), str(evil)),
        lambda: PretrainedInit(str(evil), 'layer.')(TinyModel().layer),
        lambda: read_checkpoint(evil),
    ):
        with pytest.raises(CheckpointError, match=REFUSED):
            load()


@pytest.mark.parametrize('how', ['resume', 'load_from'])
def test_training_refuses(how, evil, tmp_path):
    config = str(write_config(tmp_path / 'c.py'))
    more = dict(resume=['--resume', str(evil)], load_from=['--cfg-options', f'load_from={evil}'])[
        how
    ]
    with pytest.raises(SystemExit, match=REFUSED):
        load_tool('train.py').main([config, *more])


def test_the_newest_that_holds_code_is_not_resumed_from(evil, tmp_path):
    (tmp_path / 'run').mkdir()
    evil.rename(tmp_path / 'run' / 'evil.pth')
    config = str(write_config(tmp_path / 'c.py'))
    with pytest.raises(SystemExit, match=r'evil.pth cannot be used.*There is no other'):
        load_tool('train.py').main([config, '--resume'])


def test_testing_refuses(evil, tmp_path):
    config = write_config(tmp_path / 'c.py')
    more = "test_dataloader=dict(dataset=dict(type='TinyData'), sampler=dict(type='DefaultSampler',"
    more += "shuffle=False), batch_size=4)\ntest_cfg=dict()\ntest_evaluator=dict(type='DumpResults'"
    config.write_text(config.read_text() + more + ", out_file_path='x.pkl')\n")
    with pytest.raises(SystemExit, match=REFUSED):
        load_tool('test.py').main([str(config), str(evil)])


def test_only_the_flag_runs_code(evil, tmp_path):
    try:
        trust_checkpoints()
        load_checkpoint(TinyModel(), str(evil))
    finally:
        trust_checkpoints(False)
    (tmp_path / 'exploded').unlink()


@pytest.mark.parametrize('trusted', [False, True])
def test_the_config_text_of_a_checkpoint_is_not_executed(trusted, tmp_path, monkeypatch):
    """The engine runs meta['config'] as Python when it resumes."""
    monkeypatch.chdir(tmp_path)
    config = read_config_file(write_config(tmp_path / 'c.py', epochs=1))
    Runner.from_cfg(config).train()
    content = torch.load('run/epoch_1.pth', weights_only=False)
    content['meta']['config'] = "import os\nos.system('touch exploded')\n"
    torch.save(content, 'evil.pth')
    config.merge_from_dict(dict(resume=True, load_from='evil.pth'))
    config.experiment_name = f'again-{trusted}'
    try:
        trust_checkpoints(trusted)
        Runner.from_cfg(config).train()
    finally:
        trust_checkpoints(False)
    assert (tmp_path / 'exploded').exists() is trusted


class Reach:
    """Pickles as a chain of attribute look-ups."""

    def __init__(self, *names):
        self.names = names

    def __reduce__(self):
        owner = HistoryBuffer if len(self.names) == 1 else Reach(*self.names[:-1])
        return getattr, (owner, self.names[-1])


@pytest.mark.parametrize('names', [('__init__',), ('mean', '__globals__'), ('_log_history',)])
def test_attributes_lead_nowhere(names, tmp_path):
    """The engine's list of harmless types has getattr in it."""
    torch.save(dict(meta=Reach(*names)), tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match=r'x.pth is no plain file of weights: .*getattr'):
        load_torch(tmp_path / 'x.pth')


def test_what_the_engine_saves_is_data(tmp_path):
    """NumPy arrays and numbers of any kind, random states, log buffers with their statistics."""
    content = dict(
        arrays=[np.arange(3).astype(code) for code in '?bBhHiIlLefd'],
        number=np.float32(1.5),
        random=np.random.get_state(),
        buffer=HistoryBuffer([1.0, 2.0], [1, 1]),
        text=np.array(['a', 'bc']),
    )
    torch.save(content, tmp_path / 'x.pth')
    found = load_torch(tmp_path / 'x.pth')
    assert [one.tolist() for one in found['arrays']] == [one.tolist() for one in content['arrays']]
    assert found['buffer'].mean() == 1.5 and found['number'] == 1.5
    assert found['random'][1].tolist() == content['random'][1].tolist()


def test_the_engine_reads_published_files(tmp_path):
    state = TinyModel().state_dict()
    save_file(state, tmp_path / 'x.safetensors')
    model = TinyModel()
    load_checkpoint(model, str(tmp_path / 'x.safetensors'), strict=True)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in state.items())
    with pytest.raises(CheckpointError, match=r'nowhere.pth does not exist'):
        load_checkpoint(model, str(tmp_path / 'nowhere.pth'))
    with pytest.raises(CheckpointError, match='torchvision://resnet999: the engine knows no such'):
        load_checkpoint(model, 'torchvision://resnet999')


def test_plain_pickle_is_refused_too(tmp_path, monkeypatch):
    """The format before torch 1.6."""
    monkeypatch.chdir(tmp_path)
    torch.save(dict(a=Bomb()), 'old.pth', _use_new_zipfile_serialization=False)
    (tmp_path / 'plain.pth').write_bytes(pickle.dumps(Bomb()))
    for name in ('old.pth', 'plain.pth'):
        with pytest.raises(CheckpointError):
            load_torch(name)
    assert not (tmp_path / 'exploded').exists()
