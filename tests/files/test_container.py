import hashlib
import json
import os
import pickle
import time
import tracemalloc

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from sklstm._files import _container
from sklstm._files._container import MAX_HEADER, MAX_VALUES, Kind, read_file, read_text, write_file
from sklstm.exceptions import ModelFileError
from tests.persistence.forgery import forge, parts_of, run_elsewhere

KIND = Kind("model", format=2)
LOAD_ALL = "tests.persistence.forgery.load_all"
CONTENT = {"numbers": np.arange(6.0).reshape(2, 3), "text": 'say "sha256":"0"', "empty": []}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    write_file(path, KIND, CONTENT)
    return path


def assert_refused(path, match=None, kind=KIND):
    with pytest.raises(ModelFileError, match=match) as raised:
        read_file(path, kind)
    assert repr(str(path)) in str(raised.value)


def test_what_was_written_is_read(path):
    read = read_file(path, KIND)
    np.testing.assert_array_equal(read["numbers"], CONTENT["numbers"])
    assert read["text"] == CONTENT["text"]
    assert read["empty"] == []


def test_the_arrays_read_may_be_written_to(path):
    numbers = read_file(path, KIND)["numbers"]
    numbers[0, 0] = 7.0
    assert numbers[0, 0] == 7.0


def test_one_content_gives_one_file(path):
    written = path.read_bytes()
    for _ in range(5):
        write_file(path, KIND, CONTENT)
        assert path.read_bytes() == written


TEXTS = {"card": '{\n "sha256": "ü"}', "note": ""}


def test_texts_stand_at_the_head_and_change_nothing_else(path, tmp_path):
    write_file(tmp_path / "noted", KIND, CONTENT, texts=TEXTS)
    assert (tmp_path / "noted").read_bytes()[8:].startswith(b'{"__metadata__":{"card":"')
    for name, text in TEXTS.items():
        assert read_text(tmp_path / "noted", KIND, name) == text
        assert read_text(path, KIND, name) is None
    read = read_file(tmp_path / "noted", KIND)
    np.testing.assert_array_equal(read["numbers"], CONTENT["numbers"])
    assert {**parts_of(tmp_path / "noted")[0], "sha256": 0} == {**parts_of(path)[0], "sha256": 0}


@pytest.mark.parametrize("n", range(9))
def test_a_header_with_texts_of_any_length_is_aligned(tmp_path, n):
    write_file(tmp_path / "file", KIND, CONTENT, texts={"a": "x" * n})
    length = int.from_bytes((tmp_path / "file").read_bytes()[:8], "little")
    assert length % 8 == 0
    with safe_open(tmp_path / "file", "np") as file:
        assert file.metadata()["a"] == "x" * n
        np.testing.assert_array_equal(file.get_tensor("numbers"), CONTENT["numbers"])


def test_a_changed_text_is_damage(tmp_path):
    path = tmp_path / "file"
    write_file(path, KIND, CONTENT, texts={"card": "accuracy 0.75"})
    path.write_bytes(path.read_bytes().replace(b"0.75", b"0.95"))
    assert_refused(path, "is damaged: its checksum does not match")
    with pytest.raises(ModelFileError, match="checksum"):
        read_text(path, KIND, "card")


def test_arrays_of_any_layout(path):
    array = np.arange(12.0).reshape(3, 4)
    write_file(path, KIND, [array.T, array[:, ::2]])
    transposed, part = read_file(path, KIND)
    np.testing.assert_array_equal(transposed, array.T)
    np.testing.assert_array_equal(part, array[:, ::2])


def test_the_checksum_is_that_of_the_file_with_zeros_for_the_checksum(path):
    stated = parts_of(path)[0]["sha256"]
    blank = path.read_bytes().replace(stated.encode(), b"0" * 64)
    assert hashlib.sha256(blank).hexdigest() == stated


def test_any_reader_of_safetensors_shows_it(path):
    with safe_open(path, "np") as file:
        np.testing.assert_array_equal(file.get_tensor("numbers"), CONTENT["numbers"])
        document = json.loads(file.metadata()["sklstm"])
    assert (document["kind"], document["format"]) == ("model", 2)


def test_every_flipped_bit_is_noticed(path):
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert_refused(path)


def test_every_truncation_is_noticed(path):
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert_refused(path)


def test_a_longer_file_is_refused(path):
    path.write_bytes(path.read_bytes() + b"\0")
    assert_refused(path, r"is damaged: \d+ bytes instead of \d+")


def test_a_changed_number_is_damage(path):
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    assert_refused(path, "is damaged: its checksum does not match")


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 7, b"\0" * 100, b"text " * 99, pickle.dumps({"a": 1}), b"PK\x03\x04" + b"x" * 9],
    ids=repr,
)
def test_foreign_files(path, content):
    path.write_bytes(content)
    assert_refused(path, "is not a model file of sklstm, or it is damaged")


def test_an_onnx_file_is_sent_to_onnxruntime(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x08\x12\x06sklstm")
    assert_refused(path, r"or it is damaged\.\n\nOnnxruntime runs ONNX files: onnxruntime\.Inf")


def test_safetensors_of_others(path):
    save_file({"weight": np.zeros(3)}, path)
    assert_refused(path, "is not a model file of sklstm")
    save_file({"weight": np.zeros(3)}, path, {"sklstm": "{}"})
    assert_refused(path, "is not a model file of sklstm")


def test_another_kind(path):
    assert_refused(path, "is a model file of sklstm, not a checkpoint file", Kind("checkpoint", 9))


def test_a_newer_format(path):
    document, arrays = parts_of(path)
    forge(path, document | {"format": 3, "more": True}, arrays)
    assert_refused(path, r"has format 3; this version of sklstm reads formats up to 2\.\n\nInstall")


def test_an_earlier_format_is_read(path):
    document, arrays = parts_of(path)
    forge(path, document | {"format": 1}, arrays)
    assert read_file(path, KIND)["empty"] == []


@pytest.mark.parametrize("number", [0, -1, "1", None, [], float("nan")], ids=repr)
def test_no_format(path, number):
    document, arrays = parts_of(path)
    forge(path, document | {"format": number}, arrays)
    assert_refused(path, "is not a model file")


def test_content_that_makes_no_sense(path):
    document, arrays = parts_of(path)
    forge(path, document | {"content": {"$array": "missing"}}, arrays)
    assert_refused(path, "has invalid content: 'missing'")


@pytest.mark.parametrize("depth", [600, 100_000])
def test_json_nested_without_end(path, depth):
    document, arrays = parts_of(path)
    forge(path, document, arrays, content="[" * depth + "]" * depth)
    assert_refused(path)


def test_no_file_and_no_regular_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        read_file(tmp_path / "missing", KIND)
    assert_refused(tmp_path, "is not a file")
    # To open a pipe would be to wait for someone to write to it.
    os.mkfifo(tmp_path / "pipe")
    assert_refused(tmp_path / "pipe", "is not a file")


def claims(path, header, length=None):
    """A file of this header, which says that it is so long."""
    encoded = json.dumps(header).encode()
    length = len(encoded) if length is None else length
    path.write_bytes(length.to_bytes(8, "little") + encoded)


@pytest.mark.parametrize("length", [1_000, MAX_HEADER, 2**40, 2**63, 2**64 - 1])
def test_no_memory_is_taken_for_a_header_that_is_not_there(path, length):
    claims(path, {}, length)
    assert_cheap(path)


@pytest.mark.parametrize("end", [10**12, 10**30, -8, "8", None, 1.5])
def test_no_memory_is_taken_for_arrays_that_are_not_there(path, end):
    document, _ = parts_of(path)
    entry = {"dtype": "F32", "shape": [10**12], "data_offsets": [0, end]}
    claims(path, {"__metadata__": {"sklstm": json.dumps(document)}, "numbers": entry})
    assert_cheap(path)


def test_of_a_large_foreign_file_only_the_header_is_read(path):
    claims(path, {"weight": {"dtype": "U8", "shape": [2**33], "data_offsets": [0, 2**33]}})
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + 2**33)
    assert_cheap(path)


def assert_cheap(path):
    tracemalloc.start()
    begin = time.perf_counter()
    try:
        assert_refused(path)
        assert time.perf_counter() - begin < 1.0
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_more_json_than_is_ever_written_is_not_read(path, monkeypatch):
    monkeypatch.setattr("sklstm._files._container.MAX_HEADER", 100)
    assert_refused(path, "is not a model file")


def test_more_json_than_can_be_read_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("sklstm._files._container.MAX_HEADER", 1_000)
    with pytest.raises(ValueError, match=r"holds at most 1,000 bytes of JSON; .* make 2,\d+ here"):
        write_file(tmp_path / "file", KIND, "x" * 2_000)
    assert list(tmp_path.iterdir()) == []


# What takes most for its size, and as much of it as is let in; or more than that.
PATTERNS = {
    "[]": 0.5, '{"":0}': 0.3, '"\\u0100b"': 1.0, '{"$float":"nan"}': 0.3, '{"$objects":[]}': 0.2,
}  # fmt: skip


def test_memory_is_bounded(tmp_path):
    document, paths = {"kind": "model", "format": 1, "content": None}, []
    for number, (pattern, share) in enumerate(PATTERNS.items()):
        for times in (1, 3):
            paths.append(tmp_path / f"{number} {times}")
            n = int(times * share * MAX_VALUES * 0.9)
            forge(paths[-1], document, {}, content=f"[{','.join([pattern] * n)}]")
    outcomes, peak = run_elsewhere(LOAD_ALL, *paths)
    assert outcomes == ["refused"] * len(paths)
    assert peak < 150e6


def test_texts_take_what_is_there(path):
    document = {"kind": "model", "format": 1, "content": None}
    # One wide text, and in it four.
    forge(path, document, {}, content='{"$text":[60000000,[["a","b","c","d"]]]}')
    outcomes, peak = run_elsewhere(LOAD_ALL, path)
    assert outcomes == ["refused"]
    assert peak < 50e6


def test_more_values_than_are_ever_written_are_not_read(path, monkeypatch):
    monkeypatch.setattr(_container, "MAX_VALUES", 10)
    assert_refused(path, "is not a model file")


def test_more_values_than_can_be_read_are_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(_container, "MAX_VALUES", 100)
    match = r"holds at most 1\d\d values of JSON; labels, names and the history .* make 2\d\d here"
    with pytest.raises(ValueError, match=match):
        write_file(tmp_path / "file", KIND, [1] * 200)
    assert list(tmp_path.iterdir()) == []
    write_file(tmp_path / "file", KIND, [1] * 90)
    assert read_file(tmp_path / "file", KIND) == [1] * 90


def test_large_arrays_may_have_many_names(path, monkeypatch):
    """A word of a vocabulary has a row of numbers."""
    monkeypatch.setattr(_container, "MAX_VALUES", 100)
    words = [f"word {i}" for i in range(1_000)]
    write_file(path, KIND, [words, np.zeros((1_000, 16), dtype=np.float32)])
    assert read_file(path, KIND)[0] == words


def test_a_header_is_in_ascii(path):
    document, arrays = parts_of(path)
    forge(path, document, {**arrays, "ä": np.zeros(1)})
    assert_refused(path, "is not a model file")
    names = {"ü": np.zeros(1), "\ud800": "\U0001f600"}
    write_file(path, KIND, names)
    assert read_file(path, KIND).keys() == names.keys()


def test_links_that_go_round_in_a_circle(tmp_path):
    (tmp_path / "file").symlink_to(tmp_path / "file")
    with pytest.raises(OSError, match=r"Too many levels of symbolic links: '.*/file'"):
        read_file(tmp_path / "file", KIND)
