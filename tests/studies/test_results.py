"""The file of results, the digest of data, and what a child's output says."""

import multiprocessing
import os

from swimdiff.files import hold_lock
from swimdiff.studies.child import read_outcome
from swimdiff.studies.provenance import digest_data
from swimdiff.studies.results import Record, ResultsFile


def record(number, **more):
    return Record('plan', 'variant', number, 'finished', f'hash{number}', **more)


def _add(path, start):
    for number in range(start, start + 40):
        ResultsFile(path).add(record(number, message='x' * 3000))


def test_lines_of_several_processes_stay_whole(tmp_path):
    path = tmp_path / 'deep' / 'r.jsonl'
    context = multiprocessing.get_context('fork')
    workers = [context.Process(target=_add, args=(path, start)) for start in (0, 40, 80)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(one.seed for one in ResultsFile(path).read_lines()) == list(range(120))


def test_a_line_cut_by_a_kill_is_passed_over_and_swallows_nothing(tmp_path):
    file = ResultsFile(tmp_path / 'r.jsonl')
    assert file.read() == {}
    file.add(record(0, images=1))
    with file.path.open('a') as raw:
        raw.write('{"plan": "plan", "vari')
    file.add(record(1))
    file.add(record(0, images=2))
    assert [one.seed for one in file.read_lines()] == [0, 1, 0]
    assert file.read()['hash0'].images == 2


def test_unknown_fields_of_a_later_version_are_read_over(tmp_path):
    path = tmp_path / 'r.jsonl'
    path.write_text(
        '{"plan": "p", "variant": "v", "seed": 0, "status": "finished", "config_hash": "h", '
        '"colour": 1}\n[]\n'
    )
    assert [one.config_hash for one in ResultsFile(path).read_lines()] == ['h']


def test_scores_are_found_by_hash_whatever_the_name():
    one = record(0, scores=dict(old=dict(knn=1.0)), measured=dict(old='x'))
    assert one.find_scores('x') == dict(knn=1.0)
    assert one.find_scores('y') is None


def test_a_lock_is_held_once_and_given_up_by_the_dead(tmp_path):
    path = tmp_path / 'lock'
    with hold_lock(path) as first, hold_lock(path, wait=False) as second:
        assert first is not None
        assert second is None

    def die():
        with hold_lock(path):
            os._exit(1)

    process = multiprocessing.get_context('fork').Process(target=die)
    process.start()
    process.join()
    with hold_lock(path, wait=False) as again:
        assert again is not None


def test_digest_of_data(tmp_path):
    for name, text in (('b/2.txt', 'xx'), ('a.txt', 'y'), ('splits/s.txt', ''), ('.cache', '')):
        path = tmp_path / 'one' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    first = digest_data(str(tmp_path / 'one'))
    other = tmp_path / 'other'
    other.mkdir()
    (other / 'a.txt').write_text('z')
    (other / 'b').mkdir()
    (other / 'b' / '2.txt').write_text('zz')
    assert digest_data(str(other)) == first  # names and sizes, no contents
    digest_data.cache_clear()
    (other / 'a.txt').write_text('zzz')
    assert digest_data(str(other)) != first
    assert digest_data(str(tmp_path / 'nowhere')) == ''


def test_how_a_tool_ended():
    text = 'step 1\n\nDivergedError: The loss is nan, at iteration 3\nsome warning\n'
    found = read_outcome(1, text)
    assert (found.error, str(found)) == (
        'DivergedError',
        'DivergedError: The loss is nan, at iteration 3',
    )
    trace = 'Traceback (most recent call last):\n  x\ntorch.cuda.OutOfMemoryError: no room\n'
    assert str(read_outcome(1, trace)) == 'OutOfMemoryError: no room'
    assert str(read_outcome(-9, 'step 7\n')) == 'signal 9: step 7'
    assert read_outcome(75, 'Stopped').stopped
    assert str(read_outcome(2, '')) == 'exit code 2: nothing was printed'
