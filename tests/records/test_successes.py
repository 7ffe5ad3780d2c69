"""Inputs that succeeded, as columns and as records."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from motet.records.input_chunk import INPUTS_FOR_A_CHUNK, GrowingChunk, Summary, decoded
from motet.records.successes import Successes

moments = st.sampled_from([1.0, 2.5, 1e9])


@st.composite
def successes(draw: st.DrawFn) -> Successes:
    """Some of one call, all ended at once or not."""
    count = draw(st.integers(1, 100))
    same = draw(st.booleans())

    def column(values: st.SearchStrategy[float]) -> list[float]:
        return draw(st.lists(values, min_size=count, max_size=count))

    ended = [draw(moments)] * count if same else column(moments)
    containers = draw(st.lists(st.sampled_from(["ta-1", "ta-2"]), min_size=count, max_size=count))
    indices = draw(st.lists(st.integers(0, 10**6), min_size=count, max_size=count))
    return Successes(
        "fc-1", indices, column(moments), ended, containers, column(moments), column(moments), column(moments)
    )


@given(st.lists(successes(), min_size=1, max_size=5))
def test_a_chunk_has_all_that_was_added_and_is_summed_up_as_its_records_are(added: list[Successes]) -> None:
    growing = GrowingChunk("fu-1", "fc-1")
    records = []
    for some in added:
        before = some.copy()
        growing.add(some)
        assert some == before
        records += some.records()
    few = growing.records()
    assert (few is None) == (len(records) >= INPUTS_FOR_A_CHUNK)
    assert few is None or few == records
    chunk = growing.chunk()
    assert sorted(decoded(chunk.data), key=repr) == sorted(records, key=repr)
    assert chunk.summary == Summary.of(records)
    assert (sum(chunk.summary.kinds.values()), chunk.call_id, chunk.function_id) == (len(records), "fc-1", "fu-1")
