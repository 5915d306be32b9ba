"""The result of an audit: its findings as table, text, HTML and picture, and the repairs that somebody asks for."""

from __future__ import annotations

import html
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import count, name_some, nearest, percent
from segmentation._frames import to_pandas
from segmentation._plotting import COLOURS, axes_or_new, tidy
from segmentation.sources._audit_finding import SEVERITIES, Finding
from segmentation.sources._audit_fixes import apply_fix, plain

__all__ = ["DataQualityReport"]

_SHADES = {"error": COLOURS["first"], "warning": COLOURS["model"], "note": COLOURS["quiet"]}


@dataclass(frozen=True)
class DataQualityReport:
    """What `audit` found in a table.

    Attributes
    ----------
    findings : tuple of Finding
        Errors first, then warnings, then notes; within these by column as in the table.
    n_rows, n_columns : int
        Size of the table.
    settings : mapping
        `as_of`, the id column, and how many rows pairs of columns were compared on.
    columns : DataFrame
        One row per column: kind, missing, distinct values, number of findings.
    """

    findings: tuple[Finding, ...]
    n_rows: int
    n_columns: int
    settings: Mapping[str, Any]
    columns: pd.DataFrame

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, name: str) -> Finding:
        """Return a finding by its name, for instance ``report["outlier:income"]``."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        close = nearest(name, [finding.name for finding in self.findings])
        raise KeyError(f"no finding {name!r}" + (f"; nearest: {name_some(close)}" if close else ""))

    def find(
        self, check: str | None = None, *, column: Hashable | None = None, severity: str | None = None
    ) -> tuple[Finding, ...]:
        """Return the findings of a check, a column or a severity.

        Raises
        ------
        ValueError
            If the severity is unknown.
        """
        if severity is not None and severity not in SEVERITIES:
            raise ValueError(f"severity must be one of {name_some(SEVERITIES)}, got {severity!r}.")
        return tuple(
            finding
            for finding in self.findings
            if (check is None or finding.check == check)
            and (column is None or column in finding.columns)
            and (severity is None or finding.severity == severity)
        )

    def apply(
        self, customers: Any, *, fixes: Iterable[str | Finding | Mapping[str, Any]]
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Carry out the fixes asked for, in their order, on a copy.

        Parameters
        ----------
        customers : dataframe
            The table that was audited; never changed itself.
        fixes : iterable of str, Finding or mapping
            Names of findings, findings, or fixes written by hand. Nothing else is done.

        Returns
        -------
        customers : DataFrame
            The repaired table.
        log : DataFrame
            One row per fix: `finding`, `action`, `columns`, `n_changed` (cells, or rows for duplicates), `n_rows` left.

        Raises
        ------
        KeyError
            If there is no finding of that name.
        ValueError
            If a finding has no fix, or an action is unknown.
        ColumnError
            If a column is no longer there.

        Examples
        --------
        >>> import pandas as pd
        >>> from segmentation import sources
        >>> customers = pd.DataFrame({"customer_id": range(40), "visits": [3, 5, 8, 13, 1, 2, 4, 6, 7, -999] * 4})
        >>> report = sources.audit(customers)
        >>> repaired, log = report.apply(customers, fixes=["placeholder_number:visits"])
        >>> int(repaired["visits"].isna().sum()), log["n_changed"].tolist()
        (4, [4])
        """
        if isinstance(fixes, str | Mapping | Finding):
            raise TypeError(f"fixes must be a list of them, got a single {type(fixes).__name__}: put it in brackets.")
        table = to_pandas(customers, name="customers").copy()
        log = []
        for asked in fixes:
            name, fix = self._fix(asked)
            table, changed = apply_fix(table, fix)
            log.append(
                {
                    "finding": name,
                    "action": fix["action"],
                    "columns": list(fix.get("columns", ())),
                    "n_changed": changed,
                    "n_rows": len(table),
                }
            )
        return table, pd.DataFrame(log, columns=["finding", "action", "columns", "n_changed", "n_rows"])

    def _fix(self, asked: str | Finding | Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        if isinstance(asked, Mapping):
            return "(by hand)", asked
        finding = self[asked] if isinstance(asked, str) else asked
        if finding.fix is None:
            raise ValueError(f"finding {finding.name!r} has no fix; what to do: {finding.recommendation}")
        return finding.name, finding.fix

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per finding, indexed by its name."""
        fields = ["check", "severity", "columns", "count", "share", "examples", "evidence", "recommendation", "fix"]
        rows = [finding.to_dict() for finding in self.findings]
        index = pd.Index([row["name"] for row in rows], name="finding", dtype=object)
        return pd.DataFrame([{key: row[key] for key in fields} for row in rows], index=index, columns=fields)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, fixes included."""
        return {
            "n_rows": self.n_rows,
            "n_columns": self.n_columns,
            "settings": {key: plain(value) for key, value in self.settings.items()},
            "findings": [{key: plain(value) for key, value in finding.to_dict().items()} for finding in self.findings],
        }

    def _heading(self) -> str:
        numbers = [count(len(self.find(severity=severity)), severity) for severity in SEVERITIES]
        return f"{count(self.n_rows, 'row')}, {count(self.n_columns, 'column')}: {', '.join(numbers)}"

    def __str__(self) -> str:
        return "\n".join([f"Data quality of {self._heading()}", *(f"  {finding}" for finding in self.findings)])

    def _repr_html_(self) -> str:
        """Show the findings as a table in a notebook; everything from the data is escaped."""
        head = "".join(f"<th>{name}</th>" for name in ("", "finding", "rows", "share", "evidence", "what to do", "ids"))
        body = []
        for f in self.findings:
            cells = [f.severity, f.name, f"{f.count:,}", percent(f.share), f.evidence, f.recommendation,
                     ", ".join(str(example) for example in f.examples)]  # fmt: skip
            shaded = f'<tr><td style="color:{_SHADES[f.severity]}">{html.escape(cells[0])}</td>'
            body.append(shaded + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells[1:]) + "</tr>")
        title = html.escape(f"Data quality of {self._heading()}")
        return f"<table><caption>{title}</caption><tr>{head}</tr>{''.join(body)}</table>"

    def plot(self, ax: Any = None) -> Any:
        """Draw the share of rows that each finding concerns, at most the first 30 findings.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        ax : matplotlib Axes
        """
        shown = self.findings[:30]
        ax = axes_or_new(ax, width=8.0, height=1.2 + 0.28 * max(len(shown), 3))
        names = [finding.name if len(finding.name) <= 45 else finding.name[:42] + "..." for finding in shown]
        places = range(len(shown))
        ax.barh(list(places), [100 * f.share for f in shown], color=[_SHADES[f.severity] for f in shown], height=0.7)
        ax.set_yticks(list(places), names, fontsize=8)
        for place, finding in zip(places, shown, strict=True):
            ax.annotate(f"{finding.count:,}", (100 * finding.share, place), xytext=(4, 0), textcoords="offset points",
                        va="center", fontsize=8, color="#444444")  # fmt: skip
        ax.invert_yaxis()
        ax.set_xlim(0, 110)
        for severity in SEVERITIES:
            if any(finding.severity == severity for finding in shown):
                ax.bar(0, 0, color=_SHADES[severity], label=severity)
        if shown:
            ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
        left = f" (first 30 of {len(self.findings)})" if len(self.findings) > 30 else ""
        tidy(ax, title=f"Data quality of {self._heading()}{left}", x="rows concerned, %", y="")
        return ax
