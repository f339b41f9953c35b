import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from mmengine.logging import HistoryBuffer
from safetensors.torch import save_file

from swimdiff.errors import CheckpointError
from swimdiff.weights.checkpoint import parse_config_text, read_checkpoint
from swimdiff.weights.unpickling import load_torch

CONFIG = """
bands = ('B04', 'B03', 'B02')
data_preprocessor = dict(bands=('B04', 'B03', 'B02'), stats='seco', type='MultiBandPreprocessor')
model = dict(backbone=dict(depth=18, out_indices=[0, 1], type='mmpretrain.ResNet'), tau=-0.5)
"""


class Bomb:
    def __reduce__(self):
        return os.system, ('touch exploded',)


def engine_checkpoint(path):
    """What the engine's runner writes: log buffers and NumPy scalars beside the tensors."""
    buffer = HistoryBuffer([1.0, 2.0], [1, 1])
    state = {
        'backbone.conv1.weight': torch.ones(2, 3, 1, 1),
        'momentum_encoder.backbone.conv1.weight': torch.zeros(2, 3, 1, 1),
        'queue.scenes': torch.zeros(4, dtype=torch.long),
    }
    meta = dict(cfg=CONFIG, epoch=3, iter=30, seed=0)
    hub = dict(log_scalars=dict(loss=buffer), runtime_info=dict(epoch=3))
    torch.save(dict(meta=meta, state_dict=state, message_hub=hub), path)
    return path


def test_engine_checkpoint_without_running_code(tmp_path):
    checkpoint = read_checkpoint(engine_checkpoint(tmp_path / 'epoch_3.pth'))
    assert checkpoint.meta['epoch'] == 3
    assert checkpoint.bands == ('B04', 'B03', 'B02')
    assert checkpoint.stats == 'seco'
    assert checkpoint.backbone == dict(depth=18, out_indices=[0, 1], type='mmpretrain.ResNet')


@pytest.mark.parametrize('prefix', ['backbone.', 'backbone'])
def test_prefix_takes_the_query_encoder(tmp_path, prefix):
    state = read_checkpoint(engine_checkpoint(tmp_path / 'x.pth')).select(prefix)
    assert list(state) == ['conv1.weight']
    assert state['conv1.weight'].eq(1).all()


def test_unknown_prefix_names_those_there(tmp_path):
    checkpoint = read_checkpoint(engine_checkpoint(tmp_path / 'x.pth'))
    with pytest.raises(
        CheckpointError, match=r'x.pth: no tensor .*backbone., momentum_encoder., qu'
    ):
        checkpoint.select('encoder')


def test_code_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict={'a': torch.ones(1)}, meta=Bomb()), tmp_path / 'evil.pth')
    with pytest.raises(CheckpointError, match=r'evil.pth is no plain file of weights.*system'):
        read_checkpoint(tmp_path / 'evil.pth')
    assert not (tmp_path / 'exploded').exists()
    read_checkpoint(tmp_path / 'evil.pth', weights_only=False)
    assert (tmp_path / 'exploded').exists()


class _Program(torch.nn.Module):
    """Says so on its standard output when it is unpacked."""

    def __init__(self):
        super().__init__()
        self.weight = torch.ones(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * x

    @torch.jit.export
    def __getstate__(self) -> tuple[torch.Tensor, bool]:
        return self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]) -> None:
        print('the program ran')
        self.weight, self.training = state


def test_a_torchscript_archive_is_not_run(tmp_path, capfd):
    path = tmp_path / 'program.pt'
    torch.jit.script(_Program()).save(str(path))
    torch.jit.load(path)
    assert 'the program ran' in capfd.readouterr().out  # so the test can fail
    for manner in ('data', 'inert'):
        with pytest.raises(CheckpointError, match=r'program.pt is a TorchScript archive'):
            load_torch(path, manner=manner)
    with pytest.raises(CheckpointError, match='TorchScript'):
        read_checkpoint(path)
    assert 'ran' not in capfd.readouterr().out


def test_config_text_is_data_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "import os\na = os.system('touch exploded')\nb = dict(c=[1, (2, -3.5)], d={'e': None})\n"
    assert parse_config_text(text) == dict(b=dict(c=[1, (2, -3.5)], d={'e': None}))
    assert parse_config_text('a = [') == {}
    assert not (tmp_path / 'exploded').exists()


def test_safetensors_with_metadata(tmp_path):
    path = tmp_path / 'b.safetensors'
    about = dict(bands='B02,B8A', backbone='{"type": "X"}', stats='oscd')
    save_file({'backbone.w': torch.arange(3.0)}, path, metadata=about)
    checkpoint = read_checkpoint(path)
    assert checkpoint.bands == ('B02', 'B8A')
    assert checkpoint.backbone == dict(type='X')
    assert checkpoint.stats == 'oscd'
    assert checkpoint.select('backbone')['w'].tolist() == [0, 1, 2]


def test_plain_state_dict(tmp_path):
    torch.save({'conv1.weight': torch.ones(1)}, tmp_path / 'plain.pth')
    checkpoint = read_checkpoint(tmp_path / 'plain.pth')
    assert list(checkpoint.state_dict) == ['conv1.weight']
    assert checkpoint.bands is None
    assert checkpoint.backbone is None


def test_missing_file_names_those_beside(tmp_path):
    engine_checkpoint(tmp_path / 'epoch_10.pth')
    with pytest.raises(CheckpointError, match=r'epoch_9.pth does not exist; .* holds epoch_10.pth'):
        read_checkpoint(tmp_path / 'epoch_9.pth')
    with pytest.raises(CheckpointError, match=r'is a folder, not a file; .* holds epoch_10.pth'):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_truncated_file(tmp_path, suffix):
    path = tmp_path / f'cut{suffix}'
    if suffix == '.pth':
        engine_checkpoint(path)
    else:
        save_file({'a': torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(CheckpointError, match=rf'cut{suffix} \(900 bytes\) cannot be read'):
        read_checkpoint(path)


def test_file_without_tensors(tmp_path):
    torch.save(dict(state_dict=dict(a=1)), tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match='holds no tensors; its keys are state_dict'):
        read_checkpoint(tmp_path / 'x.pth')


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Address under which the files of ``tmp_path`` are."""
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(_Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


def test_code_behind_an_address_is_not_run(tmp_path, served, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict={'a': torch.ones(1)}, meta=Bomb()), tmp_path / 'evil.pth')
    with pytest.raises(CheckpointError, match=rf'{served}/evil.pth is no plain file of weights'):
        read_checkpoint(f'{served}/evil.pth')
    assert not (tmp_path / 'exploded').exists()
    read_checkpoint(f'{served}/evil.pth', weights_only=False)
    assert (tmp_path / 'exploded').exists()


def test_address_is_read_like_a_file(tmp_path, served, monkeypatch):
    engine_checkpoint(tmp_path / 'epoch_3.pth')
    far, near = (read_checkpoint(f'{root}/epoch_3.pth') for root in (served, tmp_path))
    assert far.path == f'{served}/epoch_3.pth'
    assert far.bands == near.bands
    assert far.state_dict.keys() == near.state_dict.keys()
    save_file({'w': torch.arange(3.0)}, tmp_path / 'b.safetensors', metadata=dict(bands='B02'))
    published = read_checkpoint(f'{served}/b.safetensors?download=1')
    assert published.bands == ('B02',)
    assert published.state_dict['w'].tolist() == [0, 1, 2]
    monkeypatch.setattr(
        'mmengine.runner.checkpoint.get_torchvision_models',
        lambda: {'resnet18': f'{served}/epoch_3.pth'},
    )
    assert read_checkpoint('torchvision://resnet18').bands == near.bands


@pytest.mark.parametrize('address', ['{}/none.pth', 'torchvision://resnet999', 'nowhere://x.pth'])
def test_address_that_leads_nowhere(served, address):
    address = address.format(served)
    with pytest.raises(CheckpointError, match=rf'{address} cannot be fetched'):
        read_checkpoint(address)
