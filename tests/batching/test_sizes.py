from sklstm._batching import _sizes


def test_data_of_more_bytes_than_are_put_on_a_cpu_as_a_whole_are_large():
    assert not _sizes.is_large(_sizes.WHOLE_BYTES)
    assert _sizes.is_large(_sizes.WHOLE_BYTES + 1)
