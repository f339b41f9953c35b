"""One launch of several processes that is restarted when one of them dies.

``tools/dist_train.sh`` starts this module, which is ``torchrun`` with an exit code that says how
the run ended. The processes see the launch as :class:`Launch`: the store of the agents outlives
them, so they can tell a restart from a start, and leave word that a restart would not help.

Exit codes, of the launcher and of ``tools/train.py`` alone:
    0: the run is finished;
    75: stopped by a signal, the state is saved, start again with ``--resume``;
    1: an error that a restart does not cure, or one too many;
    128 + n: ended by signal n, with nothing saved beyond the last checkpoint.
"""

import argparse
import contextlib
import functools
import os
import socket
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from torch import distributed

__all__ = ['EXIT_STOPPED', 'Launch', 'current_launch', 'main']

#: EX_TEMPFAIL of sysexits.h: not done, try again.
EXIT_STOPPED = 75
_EXIT_FILE = 'SWIMDIFF_EXIT_FILE'
#: Seconds that processes have to save and end; of ``tools/dist_train.sh``.
_STOP_OPTION = '--shutdown-timeout'
_STORE = 'SWIMDIFF_STORE'


class Launch:
    """Describe what a process knows of the launch it belongs to.

    Args:
        store: Outlives the process; None without one.
        restarted: Whether training had begun before, in this launch.
    """

    def __init__(self, store: distributed.Store | None, restarted: bool) -> None:
        self._store = store
        self.restarted = restarted

    @property
    def ended(self) -> bool:
        """Return whether a process left word that a restart would not help."""
        return self._store is not None and self._store.check(['ended'])

    def begin(self) -> None:
        """Leave word that training has begun: processes that start later are restarts."""
        if self._store is not None:
            self._store.set('begun', '1')

    def end(self, code: int) -> int:
        """Leave word of how the run ended, and say what to exit with.

        Args:
            code: ``EXIT_STOPPED``, or another for an error that a restart does not cure.

        Returns:
            The exit code for this process. An agent restarts its processes for any but 0, so a stop
            on purpose is 0 below our launcher, which gives the true one; below another it is said.
        """
        _note(code)
        if code != EXIT_STOPPED and self._store is not None:
            self._store.set('ended', '1')
        return 0 if code == EXIT_STOPPED and os.environ.get(_EXIT_FILE) else code

    def follow(self) -> int:
        """Return what a restarted process exits with where :attr:`ended`.

        The agent then rests.
        """
        _note(1)
        return 0


def _note(code: int) -> None:
    """Tell the launcher of this node how the run ended."""
    file = os.environ.get(_EXIT_FILE)
    if file:
        Path(file).write_text(str(code))


@functools.cache
def current_launch() -> Launch:
    """Return the launch this process was started by.

    One without a store where there is no launcher.
    """
    address = os.environ.get(_STORE)
    if not address:
        return Launch(None, int(os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')) > 0)
    # Not the count: only the agent that lost a process counts, the others do not.
    host, _, port = address.rpartition(':')
    tcp = distributed.TCPStore(
        host, int(port), is_master=False, wait_for_workers=False, timeout=timedelta(seconds=60)
    )
    store = distributed.PrefixStore('swimdiff', tcp)
    return Launch(store, store.check(['begun']))


def _own_address(host: str, port: int) -> str:
    """Return the address of this node as another one sees it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))  # of a datagram: nothing is sent
        return probe.getsockname()[0]


def _settle(args: argparse.Namespace) -> None:
    """Fill in addresses that the command line leaves open, and tell the processes of the store."""
    host, _, port = args.rdzv_endpoint.rpartition(':')
    if int(port) == 0:
        with socket.socket() as probe:
            probe.bind((host, 0))
            port = str(probe.getsockname()[1])
        args.rdzv_endpoint = f'{host}:{port}'
    os.environ[_STORE] = args.rdzv_endpoint
    # Restarted processes would read the addresses of the dead ones from the store of the agents,
    # and fail to connect or hang; each start gets a store of its own.
    os.environ['TORCH_DISABLE_SHARE_RDZV_TCP_STORE'] = '1'
    if not args.local_addr:
        with contextlib.suppress(OSError):  # torchrun then goes by the name of the host
            args.local_addr = _own_address(host, int(port))


def _fit_options(argv: list[str], parser: argparse.ArgumentParser) -> list[str]:
    """Leave out the time to stop in, which the launcher has from torch 2.12 on; before, 30 s."""
    if _STOP_OPTION not in argv or _STOP_OPTION in parser.format_help():
        return argv
    place = argv.index(_STOP_OPTION)
    return argv[:place] + argv[place + 2 :]


def main(argv: list[str] | None = None) -> int:
    """Run ``torchrun`` with these arguments and return how the run ended.

    See the module.

    Args:
        argv: Arguments of ``torchrun``. Defaults to None, those of the command line.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import get_args_parser, run

    parser = get_args_parser()
    args = parser.parse_args(_fit_options(sys.argv[1:] if argv is None else argv, parser))
    _settle(args)
    with tempfile.TemporaryDirectory(prefix='swimdiff-launch-') as folder:
        note = Path(folder, 'exit')
        os.environ[_EXIT_FILE] = str(note)
        code = 0
        try:
            run(args)
        except SignalException as error:
            code = 128 + error.sigval
        except ChildFailedError as error:
            print(error, file=sys.stderr)
            code = 1
        if note.is_file():
            code = int(note.read_text())
    if code == EXIT_STOPPED:
        print(f'Stopped by a signal, state saved: exit code {EXIT_STOPPED}', file=sys.stderr)
    return code


if __name__ == '__main__':
    sys.exit(main())
