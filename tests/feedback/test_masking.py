"""Personal data in texts, words and denials."""

import pandas as pd
import pytest

from segmentation.feedback import mask_personal_data
from segmentation.feedback._duplicates import copies
from segmentation.feedback._words import Analyzer, mark_negation

FILLER = ["the parcel came late and the price was high"] * 30


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("write to jo.doe@example.com please", "jo.doe@example.com"),
        ("mail jo_doe+shop@mail.example.co.uk now", "jo_doe+shop"),
        ("mail jo.doe (at) example (dot) com now", "jo.doe"),
        ("mail jo at example dot com now", "example dot com"),
        ("i am @jo_doe99 there", "jo_doe99"),
        ("see https://example.org/jo?x=1 for it", "example.org"),
        ("see www.jo-doe.de for it", "jo-doe"),
        ("call +49 (0)30 123 45-67 please", "123 45"),
        ("call 555-0142 please", "555-0142"),
        ("call 0171/1234567 please", "1234567"),
        ("card 4111 1111 1111 1111 was charged", "1111"),
        ("order C91860966 is late", "C91860966"),
        ("my number is 48213", "48213"),
        ("my name is ottokar", "ottokar"),
        ("ask Mrs. Wobblethwaite about it", "Wobblethwaite"),
        ("it was bad. Regards, zebedee quux", "zebedee"),
        ("i spoke with Wobblethwaite about it", "Wobblethwaite"),
        ("michael was rude", "michael"),
        ("Anna-Lena's parcel", "Anna"),
        ("i spoke with O'Brumble about it", "Brumble"),
        ("mail O'Brien+x@example.com now", "brien"),
        ("mail jo.doe {at} example {dot} com now", "example"),
        ("mail jo.doe AT example DOT com now", "example"),
        ("mail jo . doe @ example . com now", "doe"),
        ("mail jo dot doe at gmail dot com now", "doe"),
        ("mail jodoe at gmail now", "jodoe"),
        ("mail jo.doe at example.com now", "jo.doe"),
        ("mail jo.doe\uff20example.com now", "jo.doe"),
        ("mail jo.doe*at*example.com now", "jo.doe"),
        ("mail jo\u200bdoe@example.com now", "jo"),
        ("mail j\u00f6ran.m\u00fcller@ex\u00e4mple.de now", "ran"),
        ("mail jo.doe at web punkt de now", "web"),
        ("call +1 (555) 010-0199 ext. 23 now", "23"),
        ("call +49\u201330\u20131234567 now", "49"),
        ("call +49 (0) 30 / 123 45 67 now", "49"),
        ("call 030_1234567 now", "030"),
        ("call 555\u00b70199\u00b723 now", "555"),
        ("call 01 23 45 67 89 now", "01"),
        ("call +81 3-1234-5678 now", "81"),
        ("call \uff10\uff13-\uff11\uff12\uff13\uff14-\uff15\uff16\uff17\uff18 now", "\uff11"),
        ("call five five five zero one nine nine now", "nine"),
        ("write to insta: jodoe for it", "jodoe"),
        ("my instagram is jodoe by the way", "jodoe"),
        ("ig jo_doe_x has it", "jo_doe"),
        ("\uff20jodoe has it", "jodoe"),
        ("discord jodoe#1234 has it", "jodoe"),
        ("see t.me/jodoe for it", "jodoe"),
        ("see example.shop/reset?token=SECRETxyz for it", "SECRET"),
        ("see jo-doe.photography for it", "doe"),
        ("see ftp://files.example.com/jo for it", "jo"),
        ("pay to DE89 3704 0044 0532 0130 00 please", "DE89"),
        ("pay to gb29 nwbk 6016 1331 9268 19 please", "nwbk"),
        ("born 12.03.1984 in spring", "1984"),
        ("Ask Dr. Wobblethwaite about it", "Wobblethwaite"),
        ("ask mrs wobblethwaite about it", "wobblethwaite"),
        ("Mr. & Mrs. Wobblethwaite were rude", "Wobblethwaite"),
        ("Mr Zebedee van der Quux was rude", "Quux"),
        ("my name is zebedee quux and i wait", "quux"),
        ("i asked \u0141ukaszewska twice", "ukaszewska"),
        ('the cashier "Zebedee" was rude', "Zebedee"),
        ("it is late. Thanks, Zebedee", "Zebedee"),
        ("it is late \u2013 Zebedee", "Zebedee"),
        ("it is late.\n\nKind regards,\nZebedee Q. Quux", "Quux"),
        ("it is late\nZebedee Quux", "Quux"),
        ("zu sp\u00e4t. Viele Gr\u00fc\u00dfe, Zebedee", "Zebedee"),
        ("trop tard. Cordialement, Zebedee", "Zebedee"),
        ("sincerely yours, zebedee quux, london", "zebedee"),
    ],
)
def test_secrets_are_masked(text, secret):
    masked = mask_personal_data([*FILLER, text]).iloc[-1]
    assert secret.lower() not in masked.lower()
    assert "[" in masked


@pytest.mark.parametrize(
    "text",
    [
        "The parcel took 12 days instead of 2.",
        "It came on Monday, not in March.",
        "To be frank, nobody will call me back.",
        "VERY LATE AGAIN",
        "half of the 24 hours",
        "i miss the catalogue, and MISS THE SHOP",
        "it came late.at last, and it was fine",
        "at 135lbs i wear 2, 4 or 6",
        "a jean jacket in heather grey",
        "look at the parcel at home",
        "thanks again",
        "it was late. Greetings from the coast",
        "it came with and/or without a lid",
    ],
)
def test_ordinary_texts_stay(text):
    assert mask_personal_data([*FILLER, text]).iloc[-1] == text


def test_a_word_that_is_mostly_written_small_is_no_name():
    texts = ["i love the Parcel", *["the parcel is late"] * 20, "the brand Acmetron is good", "i like Acmetron"]
    masked = mask_personal_data(texts, keep=["Acmetron"])
    assert masked.iloc[0] == texts[0]
    assert masked.iloc[-1] == texts[-1]
    assert "[name]" in mask_personal_data(texts).iloc[-1]


def test_german_nouns_are_no_names_and_given_ones_are():
    texts = [
        "ich habe das Paket mit der Lampe nie bekommen",
        "die Lieferung von Frau Kowalczyk kam zu spät mit Hubertine",
    ]
    masked = mask_personal_data(texts * 20, names=["Hubertine"])
    assert masked.iloc[0] == texts[0]
    assert "Kowalczyk" not in masked.iloc[1]
    assert "Hubertine" not in masked.iloc[1]
    assert "Lieferung" in masked.iloc[1]


def test_missing_stay_missing_and_others_are_refused():
    assert mask_personal_data(pd.Series([None, "fine"])).isna().tolist() == [True, False]
    with pytest.raises(TypeError, match="texts must be str or missing, got int"):
        mask_personal_data([1])
    for wrong in ("jo@example.com", None, 3, pd.DataFrame({"a": ["x"]})):
        with pytest.raises(TypeError, match="texts must be a Series or a list of str"):
            mask_personal_data(wrong)
    with pytest.raises(TypeError, match="names must be a list of words"):
        mask_personal_data(["anna"], names="anna")


def test_negation_reaches_to_the_end_of_the_clause():
    analyzer = Analyzer()
    assert "late" not in analyzer("Delivery was not late at all.")
    assert "not_late" in analyzer("Delivery was not late at all.")
    assert {"cheap", "not_late"} <= set(analyzer("It wasn't late, cheap stuff though."))
    assert "boring" not in analyzer("It is not that the range is boring.")
    assert {"not_answers", "not_phone", "waited"} <= set(analyzer("Nobody answers the phone and I waited"))
    assert "late" in Analyzer(())("not late")
    assert mark_negation("nicht zu spät, aber teuer", frozenset(["nicht"])) == "nicht not_zu not_spät, aber teuer"


def test_words_and_pairs_without_stop_words_numbers_and_masks():
    assert Analyzer()("The parcel was 12 days late; the \ue000 box") == [
        "parcel", "days", "parcel days", "late", "days late", "box",
    ]  # fmt: skip


def test_copies_of_other_customers_are_found():
    import numpy as np
    from scipy import sparse

    rng = np.random.default_rng(0)
    words = (rng.random((500, 400)) < 0.05).astype(int)  # about 20 words each
    words[100:110] = words[0]
    words[105, np.flatnonzero(words[0])[0]] = 0  # a typing error
    words[200:230, 5:] = 0  # short ones
    words[200:230, :5] = 1
    customer = np.arange(500)
    customer[109] = 0  # the same customer again
    found = copies(sparse.csr_array(words), customer, np.random.default_rng(1))
    assert np.flatnonzero(found).tolist() == list(range(100, 109))
