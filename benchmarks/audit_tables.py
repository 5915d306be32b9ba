"""Tables with known faults, and tables without any, for the tests and the benchmark of `sources.audit`.

`clean_table` draws a customer table whose columns have names and distributions as real ones do, none of them wrong.
`FAULTS` plants one fault each, of a size drawn at random, and says which finding must name which rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

CITIES = np.array(["Berlin", "Hamburg", "München", "Köln", "New York", "São Paulo", "Århus", "Lyon"])
AS_OF = pd.Timestamp("2024-06-30")
FAMILIES = ("normal", "lognormal", "gamma", "pareto", "student", "poisson", "negative_binomial", "uniform", "mixture")


def numbers(family: str, n: int, rng: np.random.Generator) -> np.ndarray:
    scale = 10 ** rng.uniform(-1, 4)
    if family == "normal":
        return rng.normal(rng.uniform(-3, 8), 1, n) * scale
    if family == "lognormal":
        return np.round(rng.lognormal(np.log(scale * 10), rng.uniform(0.4, 1.8), n), 2)
    if family == "gamma":
        return rng.gamma(rng.uniform(0.6, 5), scale, n)
    if family == "pareto":
        return (1 + rng.pareto(rng.uniform(1.2, 4), n)) * scale
    if family == "student":
        return rng.standard_t(rng.uniform(3, 8), n) * scale
    if family == "poisson":
        return rng.poisson(rng.uniform(0.3, 30), n)
    if family == "negative_binomial":
        return rng.negative_binomial(rng.uniform(0.4, 3), rng.uniform(0.02, 0.3), n)
    if family == "uniform":
        return rng.integers(0, int(rng.choice([5, 12, 100, 365, 5000])), n)
    return np.where(rng.random(n) < rng.uniform(0.1, 0.9), 0.0, np.round(rng.lognormal(4, 1, n), 2))


def clean_table(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = np.clip(rng.normal(45, 15, n), 18, 95).astype(int)
    signup = pd.Timestamp("2016-01-01") + pd.to_timedelta(rng.integers(0, 2500, n), "D")
    orders = rng.poisson(rng.gamma(1, 5, n)) + 1
    web = np.round(rng.lognormal(3.5, 1, n) * rng.random(n), 2)
    shop = np.round(rng.lognormal(3.2, 1.1, n) * (rng.random(n) < 0.7), 2)
    zipf = np.arange(1, 21) ** -rng.uniform(0.8, 2.0)
    table = {
        "customer_id": rng.permutation(np.arange(10_000, 10_000 + 3 * n, 3)),
        "age": age,
        "birth_year": 2024 - age - rng.integers(0, 2, n),
        "income": np.round(rng.lognormal(10.6, 0.5, n), -1),
        "city": rng.choice(CITIES, n, p=rng.dirichlet(np.full(8, 4.0))),
        "gender": rng.choice(["female", "male", "diverse"], n, p=[0.5, 0.45, 0.05]),
        "contract": pd.Categorical(rng.choice(["monthly", "yearly", "two years"], n)),
        "newsletter": rng.random(n) < 0.4,
        "signup_date": signup,
        "last_order_date": (signup + (AS_OF - signup) * rng.random(n)).normalize(),
        "n_orders": orders,
        "days_since_last_purchase": rng.integers(0, 365, n),
        "spend_web": web,
        "spend_shop": shop,
        "total_spend": np.round(web + shop, 2),
        "email": [f"user{i}@example.org" for i in rng.permutation(n)],
        "postcode": [f"{i:05d}" for i in rng.choice(rng.integers(1000, 99999, 120), n)],
        "country": rng.choice([f"Land{c}" for c in "ABCDEFGHIJKLMNOPQRST"], n, p=zipf / zipf.sum()),
        "channel": rng.choice(["shop", "web", "app", "phone", "mail", "fair"], n, p=rng.dirichlet(np.ones(6))),
        "vip": rng.choice(["no", "yes"], n, p=[0.97, 0.03]),
        "satisfaction": rng.choice([1, 2, 3, 4, 5], n, p=[0.05, 0.1, 0.2, 0.4, 0.25]),
        "balance": np.round(rng.normal(500, 800, n), 2),
        "last_price": np.round(rng.lognormal(3, 0.6, n), 2),
        "comment": [" ".join(rng.choice(CITIES, 7)) for _ in range(n)],
        "region_code": [f"R{i}" for i in rng.integers(100, 400, n)],
    }
    for i, family in enumerate(rng.permutation(FAMILIES)):
        table[f"m{i}_{family}"] = numbers(str(family), n, rng)
    frame = pd.DataFrame(table)
    frame["notes_score"] = pd.Series(rng.normal(size=n)).mask(rng.random(n) < rng.uniform(0.01, 0.3))
    return frame


# What is true of every clean table, and no alarm: missing values were put into one column, e-mails are unique.
TRUE_OF_CLEAN = {("missing", ("notes_score",)), ("identifier_like", ("email",))}

Plant = Callable[[pd.DataFrame, np.random.Generator], tuple[pd.DataFrame, str, tuple[str, ...], int]]


def _rows(frame: pd.DataFrame, rng: np.random.Generator, low: int = 3, share: float = 0.05) -> np.ndarray:
    n = int(np.exp(rng.uniform(np.log(low), np.log(max(low + 1, share * len(frame))))))
    return rng.choice(len(frame), n, replace=False)


def _set(frame: pd.DataFrame, column: str, rows: np.ndarray, value: object) -> pd.DataFrame:
    series = frame[column].astype(object) if not isinstance(value, int | float) else frame[column].astype(float)
    values = series.to_numpy(copy=True)
    values[rows] = value
    changed = frame.copy()
    changed[column] = pd.Series(values, index=frame.index).infer_objects()
    return changed


def _number_code(column: str, codes: list[float]) -> Plant:
    def plant(frame, rng):
        rows = _rows(frame, rng)
        return _set(frame, column, rows, float(rng.choice(codes))), "placeholder_number", (column,), len(rows)

    return plant


def _change_text(column: str, check: str, change: Callable[[str], str]) -> Plant:
    def plant(frame, rng):
        texts = frame[column].astype(object).to_numpy(copy=True)
        rows = _rows(frame, rng)
        rows = rows[[change(texts[i]) != texts[i] for i in rows]]
        rows = rows if len(rows) else np.flatnonzero([change(t) != t for t in texts])[:3]
        texts[rows] = [change(texts[i]) for i in rows]
        changed = frame.copy()
        changed[column] = texts
        return changed, check, (column,), len(rows)

    return plant


def _word(frame, rng):
    words = ["unknown", "Unknown", "n/a", "?", "N/A", "not specified", "UNKNOWN", "undefined", "k.A.", "(unknown)"]
    column = str(rng.choice(["city", "gender", "region_code"]))
    rows = _rows(frame, rng)
    return _set(frame, column, rows, str(rng.choice(words))), "placeholder_word", (column,), len(rows)


def _blank(frame, rng):
    rows = _rows(frame, rng)
    return _set(frame, "city", rows, str(rng.choice(["", " ", "   "]))), "blank_text", ("city",), len(rows)


def _sentinel(column: str, day: str) -> Plant:
    def plant(frame, rng):
        rows = _rows(frame, rng)
        changed = frame.copy()
        days = changed[column].astype("datetime64[us]").to_numpy(copy=True)
        days[rows] = np.datetime64(day)
        changed[column] = days
        return changed, "placeholder_date", (column,), len(rows)

    return plant


def _spike(column: str) -> Plant:
    def plant(frame, rng):
        rows = rng.choice(len(frame), int(rng.uniform(0.02, 0.2) * len(frame)), replace=False)
        value = float(frame[column].mean()) if rng.random() < 0.5 else float(frame[column].median()) + 0.005
        return _set(frame, column, rows, value), "spike", (column,), len(rows)

    return plant


def _zero(column: str) -> Plant:
    def plant(frame, rng):
        rows = _rows(frame, rng)
        return _set(frame, column, rows, 0.0), "zero_for_missing", (column,), len(rows)

    return plant


def _outlier(column: str, factor: tuple[float, float]) -> Plant:
    def plant(frame, rng):
        rows = rng.choice(len(frame), int(rng.integers(1, 6)), replace=False)
        changed = frame.copy()
        values = changed[column].astype(float).to_numpy(copy=True)
        top = np.nanmax(np.abs(values))
        values[rows] = np.round(top * rng.uniform(*factor, len(rows)), 2)
        changed[column] = values
        return changed, "outlier", (column,), len(rows)

    return plant


def _impossible_age(frame, rng):
    rows = rng.choice(len(frame), int(rng.integers(1, 8)), replace=False)
    return (
        _set(frame, "age", rows, float(rng.choice([-5, -31, 150, 234, 312]))),
        "impossible_value",
        ("age",),
        len(rows),
    )


def _birth(frame, rng):
    rows = rng.choice(len(frame), int(rng.integers(1, 8)), replace=False)
    changed = _set(frame, "birth_year", rows, float(rng.choice([1880, 1893, 1901, 2031, 2130])))
    return changed, "impossible_value", ("birth_year",), len(rows)


def _negative(column: str, check: str) -> Plant:
    def plant(frame, rng):
        rows = _rows(frame, rng, low=2, share=0.03)
        changed = frame.copy()
        values = changed[column].astype(float).to_numpy(copy=True)
        values[rows] = -np.maximum(np.abs(values[rows]), 0.37)
        changed[column] = values
        return changed, check, (column,), len(rows)

    return plant


def _typed(frame, rng):
    rows = rng.choice(len(frame), int(rng.integers(1, 4)), replace=False)
    return _set(frame, "income", rows, float(rng.choice([666666, 555555, 777777, 1111111, 1234567]))), \
        "typed_pattern", ("income",), len(rows)  # fmt: skip


def _scale(frame, rng):
    rows = _rows(frame, rng, low=1, share=0.002)
    return _set(frame, "satisfaction", rows, float(rng.choice([7, 10, 44, 55, 33]))), \
        "out_of_scale", ("satisfaction",), len(rows)  # fmt: skip


def _rare(frame, rng):
    rows = rng.choice(len(frame), int(rng.integers(1, max(2, len(frame) // 1000))), replace=False)
    return _set(frame, "city", rows, str(rng.choice(["Absurdistan", "Mars", "qwertz"]))), \
        "rare_category", ("city",), len(rows)  # fmt: skip


def _as_text(kind: str) -> Plant:
    def plant(frame, rng):
        changed = frame.copy()
        write = {"plain": "{:.2f}", "grouped": "{:,.2f}", "euro": "{:.2f} €"}[kind]
        changed["spend_web"] = [write.format(v) for v in frame["spend_web"]]
        if kind == "grouped":
            changed["spend_web"] = changed["spend_web"].str.translate(str.maketrans(",.", ".,"))
        return changed, "number_as_text", ("spend_web",), len(frame)

    return plant


def _mixed_dates(frame, rng):
    rows = _rows(frame, rng)
    texts = frame["signup_date"].dt.strftime("%Y-%m-%d").to_numpy(dtype=object, copy=True)
    other = str(rng.choice(["%d.%m.%Y", "%d %b %Y", "%Y/%m/%d", "%Y%m%d", "%d/%m/%Y"]))
    texts[rows] = frame["signup_date"].iloc[rows].dt.strftime(other)
    changed = frame.copy()
    changed["signup_date"] = texts
    return changed, "mixed_date_formats", ("signup_date",), len(rows)


def _day_month(frame, rng):
    day_first = frame["signup_date"].dt.strftime("%d/%m/%Y").to_numpy(dtype=object, copy=True)
    rows = rng.choice(len(frame), int(rng.uniform(0.1, 0.4) * len(frame)), replace=False)
    day_first[rows] = frame["signup_date"].iloc[rows].dt.strftime("%m/%d/%Y")
    changed = frame.copy()
    changed["signup_date"] = day_first
    return changed, "day_month_order", ("signup_date",), int((frame["signup_date"].iloc[rows].dt.day > 12).sum())


def _invalid_date(frame, rng):
    texts = frame["signup_date"].dt.strftime("%Y-%m-%d").to_numpy(dtype=object, copy=True)
    rows = rng.choice(len(frame), int(rng.integers(1, 8)), replace=False)
    texts[rows] = str(rng.choice(["2023-02-30", "2023-13-01", "soon", "2021-00-10"]))
    changed = frame.copy()
    changed["signup_date"] = texts
    return changed, "invalid_date", ("signup_date",), len(rows)


def _future(frame, rng):
    rows = rng.choice(len(frame), int(rng.integers(1, 20)), replace=False)
    changed = frame.copy()
    days = changed["last_order_date"].to_numpy(copy=True)
    days[rows] = np.datetime64("2024-07-02") + rng.integers(0, 400, len(rows)).astype("timedelta64[D]")
    changed["last_order_date"] = days
    return changed, "future_date", ("last_order_date",), len(rows)


def _swapped(frame, rng):
    apart = np.flatnonzero((frame["last_order_date"] > frame["signup_date"]).to_numpy())
    rows = rng.choice(apart, min(len(apart), int(rng.integers(1, 30))), replace=False)
    changed = frame.copy()
    last = changed["last_order_date"].to_numpy(copy=True)
    last[rows] = changed["signup_date"].to_numpy()[rows] - np.timedelta64(20, "D")
    changed["last_order_date"] = last
    return changed, "end_before_start", ("signup_date", "last_order_date"), len(rows)


def _part(frame, rng):
    rows = rng.choice(len(frame), int(rng.integers(2, max(4, len(frame) // 200))), replace=False)
    changed = frame.copy()
    total = changed["total_spend"].to_numpy(copy=True)
    total[rows] = np.round(changed["spend_web"].to_numpy()[rows] * 0.5 - 0.02, 2)
    rows = rows[total[rows] < changed["spend_web"].to_numpy()[rows]]
    changed["total_spend"] = np.abs(total)
    n = int((changed["spend_web"] > changed["total_spend"]).sum())
    return changed, "part_exceeds_total", ("spend_web", "total_spend"), n


def _sum(frame, rng):
    rows = _rows(frame, rng)
    changed = frame.copy()
    total = changed["total_spend"].to_numpy(copy=True)
    total[rows] += np.round(rng.uniform(1, 90, len(rows)), 2)
    changed["total_spend"] = total
    return changed, "sum_mismatch", ("total_spend", "spend_web", "spend_shop"), len(rows)


def _age_birth(frame, rng):
    rows = _rows(frame, rng)
    changed = frame.copy()
    age = changed["age"].to_numpy(copy=True)
    age[rows] = np.where(age[rows] > 55, age[rows] - 20, age[rows] + 20)
    changed["age"] = age
    return changed, "age_and_birth", ("age", "birth_year"), len(rows)


def _duplicate_rows(frame, rng):
    rows = _rows(frame, rng)
    return pd.concat([frame, frame.iloc[rows]], ignore_index=True), "duplicate_rows", (), len(rows)


def _duplicate_id(frame, rng):
    ids = frame["customer_id"].to_numpy(copy=True)
    rows = np.unique(_rows(frame, rng))
    rows = rows[rows > 0]
    ids[rows] = ids[0]
    changed = frame.copy()
    changed["customer_id"] = ids
    return changed, "duplicate_id", ("customer_id",), len(rows)


def _second_id(frame, rng):
    copies = frame.iloc[_rows(frame, rng)].copy()
    copies["customer_id"] = np.arange(len(copies)) * 3 + 10**6
    return pd.concat([frame, copies], ignore_index=True), "duplicate_apart_from_id", ("customer_id",), len(copies)


def _two_sources(frame, rng):
    frame = frame.assign(source=np.where(np.arange(len(frame)) < len(frame) // 2, "crm", "shop"))
    copies = frame.iloc[rng.choice(len(frame) // 2, int(rng.integers(8, 60)), replace=False)].assign(source="shop")
    return pd.concat([frame, copies], ignore_index=True), "same_rows_in_two_sources", ("source",), len(copies)


def _constant(frame, rng):
    return frame.assign(plan="basic" if rng.random() < 0.5 else 11), "constant", ("plan",), len(frame)


def _row_number(frame, rng):
    return frame.assign(**{"Unnamed: 0": np.arange(len(frame))}), "identifier_like", ("Unnamed: 0",), len(frame)


def _redundant(frame, rng):
    codes = {city: f"C{i}" for i, city in enumerate(CITIES)}
    if rng.random() < 0.5:
        return frame.assign(city_code=frame["city"].map(codes)), "redundant_column", ("city_code", "city"), len(frame)
    return frame.assign(income_usd=frame["income"] * 1.1 + 5), "redundant_column", ("income_usd", "income"), len(frame)


def _leak(frame, rng):
    churned = rng.random(len(frame)) < rng.uniform(0.1, 0.5)
    calls = np.where(churned, rng.poisson(6, len(frame)) + 2, rng.poisson(1, len(frame)))
    return frame.assign(churned=churned, calls=calls), "leaks_outcome", ("calls", "churned"), len(frame)


def _missing_depends(frame, rng):
    chance = np.where(frame["age"] > frame["age"].median(), rng.uniform(0.3, 0.5), 0.1)
    gone = rng.random(len(frame)) < chance
    return frame.assign(income=frame["income"].mask(gone)), "missing_depends", ("income",), int(gone.sum())


def _together(frame, rng):
    gone = np.zeros(len(frame), dtype=bool)
    gone[_rows(frame, rng, low=6, share=0.5)] = True
    columns = ("income", "last_price", "satisfaction")
    return frame.assign(**{c: frame[c].mask(gone) for c in columns}), "missing_together", columns, int(gone.sum())


def _reverse(frame, rng):
    attitude = rng.normal(size=len(frame))
    items = {}
    for i in range(1, 6):
        answer = np.clip(np.round(3.5 + 1.2 * attitude * rng.uniform(0.6, 1) + rng.normal(size=len(frame))), 1, 6)
        items[f"item{i}"] = 7 - answer if i in (2, 5) else answer
    return frame.assign(**items), "reverse_keyed", ("item2", "item5"), len(frame)


def _odd_code(frame, rng):
    n = len(frame)
    codes = np.array([f"{i:06d}" for i in rng.permutation(n) + 400_000], dtype=object)
    rows = _rows(frame, rng)
    codes[rows] = [f"C{codes[i]}" for i in rows]
    return frame.assign(invoice=codes), "odd_code", ("invoice",), len(rows)


def _mojibake(text: str) -> str:
    return text.encode("utf-8").decode("latin-1")


FAULTS: dict[str, Plant] = {
    "-999 in a count": _number_code("n_orders", [-999, -99, -1, -9999]),
    "-999 in an amount": _number_code("income", [-999, -99, -1]),
    "999 in a count": _number_code("days_since_last_purchase", [9999, 99999]),
    "9 or 99 on a scale": _number_code("satisfaction", [99, 999, -9, 9]),
    "-999 among negatives": _number_code("balance", [-99999, 99999]),
    "999 as age": _number_code("age", [999, 9999]),
    "word": _word,
    "blank": _blank,
    "1900-01-01": _sentinel("signup_date", "1900-01-01"),
    "1970-01-01": _sentinel("last_order_date", "1970-01-01"),
    "9999-12-31": _sentinel("last_order_date", "9999-12-31"),
    "mean filled in": _spike("income"),
    "mean price filled in": _spike("last_price"),
    "zero price": _zero("last_price"),
    "outlier, lognormal": _outlier("income", (20, 200)),
    "outlier, counts": _outlier("n_orders", (20, 200)),
    "outlier, normal": _outlier("balance", (5, 50)),
    "impossible age": _impossible_age,
    "impossible birth year": _birth,
    "negative price": _negative("last_price", "impossible_value"),
    "negative spend": _negative("spend_web", "negative_value"),
    "typed pattern": _typed,
    "off the scale": _scale,
    "joke category": _rare,
    "numbers as text": _as_text("plain"),
    "1.234,50 as text": _as_text("grouped"),
    "euro as text": _as_text("euro"),
    "two date formats": _mixed_dates,
    "day and month": _day_month,
    "invalid date": _invalid_date,
    "spaces": _change_text("city", "whitespace", lambda t: t + " "),
    "upper case": _change_text("city", "spelling_variants", str.upper),
    "lower case": _change_text("city", "spelling_variants", str.lower),
    "mojibake": _change_text("city", "encoding_damage", _mojibake),
    "html": _change_text("city", "encoding_damage", lambda t: t.replace("ü", "&uuml;").replace("ö", "&ouml;")),
    "future": _future,
    "dates swapped": _swapped,
    "part above total": _part,
    "sum": _sum,
    "age and birth": _age_birth,
    "row twice": _duplicate_rows,
    "id twice": _duplicate_id,
    "two ids": _second_id,
    "two sources": _two_sources,
    "constant": _constant,
    "row number": _row_number,
    "redundant": _redundant,
    "leak": _leak,
    "missing depends": _missing_depends,
    "missing together": _together,
    "reverse keyed": _reverse,
    "odd code": _odd_code,
}

# What else is true once a fault stands there, and therefore no alarm.
FOLLOWS = {
    "two date formats": {"date_as_text"},
    "day and month": {"date_as_text", "end_before_start"},
    "invalid date": {"date_as_text"},
    "1900-01-01": {"end_before_start", "stale"},
    "1970-01-01": {"end_before_start"},
    "9999-12-31": {"future_date"},
    "999 as age": {"age_and_birth"},
    "impossible age": {"age_and_birth"},
    "impossible birth year": {"age_and_birth"},
    "negative spend": {"sum_mismatch"},
    "part above total": {"sum_mismatch", "part_exceeds_total"},
    "sum": {"part_exceeds_total"},
    "row twice": {"duplicate_id"},
    "missing depends": {"missing"},
    "missing together": {"missing"},
    "odd code": {"identifier_like"},
    "mojibake": {"rare_category"},
    "html": {"rare_category"},
    "two sources": {"duplicate_id"},
}
