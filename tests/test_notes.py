"""Notes of a segmenter travel with its tables and are printed below them."""

import pickle

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import segmentation as sg
from segmentation import Segmenter
from segmentation._notes import notes_of
from segmentation.testing import make_customers


class Doubtful(Segmenter):
    def _fit(self, X, y):
        self.notes_ = ("half of them are <unsure>",)
        return ["all"]

    def _membership(self, X):
        return np.ones((len(X), 1))


def test_assignment_profile_and_relabelled_table_carry_notes():
    customers = make_customers(numeric=True)
    model = Doubtful().fit(customers)
    pipeline = make_pipeline(FunctionTransformer(), Doubtful()).fit(customers)
    for table in (
        model.assign(customers),
        Doubtful().fit_assign(customers),
        sg.assign(model, customers),
        sg.assign(pipeline, customers),
        sg.profile_segments(sg.assign(model, customers), features=customers),
        sg.relabel(sg.assign(model, customers), {"all": "everybody"}),
    ):
        assert notes_of(table) == ("half of them are <unsure>",)
        assert repr(table).endswith("\nNote: half of them are <unsure>")
        assert table._repr_html_().endswith("<p>Note: half of them are &lt;unsure&gt;</p>")
        assert isinstance(table, pd.DataFrame)
        assert notes_of(pickle.loads(pickle.dumps(table))) == notes_of(table)


def test_other_tables_are_plain():
    customers = make_customers(numeric=True)
    table = sg.segmenters.KMeansSegmenter(2, random_state=0).fit(customers).assign(customers)
    assert type(table) is pd.DataFrame
    noted = Doubtful().fit(customers).assign(customers)
    assert type(noted.head()) is pd.DataFrame
    pd.testing.assert_frame_equal(noted.copy().pipe(pd.DataFrame), pd.DataFrame(noted))
