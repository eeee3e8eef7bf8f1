"""The tables: reading one out changes nothing in it."""

import pickle

import pandas as pd

from analyzer import schema


def test_records_leave_their_table_as_it_is() -> None:
    """Also one that was unpickled: pandas gives the memory of such a column out, whatever `copy` says."""
    row = {"point": "client", "client_ip": "10.0.0.1", "stage": pd.NA}
    kept = pickle.loads(pickle.dumps(schema.ENDINGS.of([row, row])))
    before = kept.copy(deep=True)
    first, second = schema.records(kept)
    assert first == second
    assert (first["client_ip"], first["stage"], first["server_port"]) == ("10.0.0.1", None, None)
    assert all(value is not pd.NA for value in first.values())
    pd.testing.assert_frame_equal(kept, before)
    assert kept["stage"].isna().all()
