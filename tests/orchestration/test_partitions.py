"""How channels are split into batches."""

from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.orchestration.partitions import split_into_batches


@given(st.integers(0, 500), st.integers(1, 60))
def test_batches_hold_every_channel_once_in_order_and_have_even_sizes(count: int, size: int) -> None:
    channels = [f"c{n}" for n in range(count)]
    found = list(split_into_batches(channels, size))
    assert [c for batch in found for c in batch] == channels
    lengths = [len(batch) for batch in found]
    assert all(1 <= length <= size for length in lengths)
    assert not lengths or max(lengths) - min(lengths) <= 1
