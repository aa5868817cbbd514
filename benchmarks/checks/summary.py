"""Summaries of the results as Markdown, and the bounds that they have to keep."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import comb, sqrt

from cases import Case, Row

MAX_FAIL_SHARE = 0.015  # of the replicates of right models in which one check may fail
MAX_WARN_SHARE = 0.05  # in which it may warn
MAX_VERDICT_SHARE = 0.10  # in which the whole verdict may be worse than pass
MIN_POWER = 0.90  # share of the planted defects that the right check sees
CHANCE = 1e-3  # probability with which chance alone breaks a bound of the small form
BROKEN = ("refused", "crash")
ALARMS = ("warn", "fail", *BROKEN)


def summarise_alarms(rows: Sequence[Row]) -> str:
    """
    Return the false alarms on right models: by check, by kind, and whether the bounds hold.

    Parameters
    ----------
    rows : sequence of Row
        The results of right models.

    Returns
    -------
    str
        Markdown; empty without rows.
    """
    if not rows:
        return ""
    by_check = _group_statuses(rows)
    kinds = list(dict.fromkeys(row.kind for row in rows))
    lines = ["## False alarms on right models, by check", ""]
    lines += _make_table(
        ("check", "replicates", "warn", "fail", "bound", "worst kind"),
        [_describe_check(name, by_kind) for name, by_kind in by_check.items()],
    )
    alarming = [
        name
        for name, by_kind in by_check.items()
        if any(status in ALARMS for statuses in by_kind.values() for status in statuses)
    ]
    lines += ["", "## By kind: share of warn + share of fail, in percent", ""]
    lines += _make_table(
        ("kind", "replicates", "s", *alarming),
        [_describe_kind(kind, rows, by_check, alarming) for kind in kinds],
    )
    return "\n".join([*lines, ""])


def summarise_power(rows: Sequence[Row], cases: Mapping[str, Case]) -> str:
    """
    Return which planted defects the checks see.

    Parameters
    ----------
    rows : sequence of Row
        The results of defects.
    cases : dict of str to Case
        The cases by name.

    Returns
    -------
    str
        Markdown; empty without rows.
    """
    if not rows:
        return ""
    table, seen, total = [], 0, 0
    for kind, replicates in _group_replicates(rows).items():
        expected = cases[kind].expected
        caught = [bool(_list_alarms(part) & set(expected)) for part in replicates]
        fired = Counter(name for part in replicates for name in _list_alarms(part))
        by_expected = _describe_counts(fired, [name for name in fired if name in expected])
        others = _describe_counts(fired, [name for name in fired if name not in expected])
        verdicts = Counter(row.status for part in replicates for row in part if _is_verdict(row))
        status = ", ".join(f"{name} {count}" for name, count in verdicts.items())
        mark = "" if all(caught) else "**missed**" if not any(caught) else "partly"
        share = f"{sum(caught)} of {len(caught)}"
        table.append((kind, " ".join(expected), share, mark, by_expected, others, status))
        seen += sum(caught)
        total += len(caught)
    headings = ("defect", "expected", "caught", "", "by", "also", "verdict")
    answer = "holds" if seen >= MIN_POWER * total else "**does not hold**"
    result = (
        f"Caught: {seen} of {total}, {_format_share(seen, total)} (bound {MIN_POWER:.0%}: {answer})"
    )
    return "\n".join(["## Planted defects", "", *_make_table(headings, table), "", result, ""])


def find_violations(rows: Sequence[Row], cases: Mapping[str, Case]) -> list[str]:
    """
    Return what the small form finds wrong: more false alarms than chance allows, defects missed.

    Parameters
    ----------
    rows : sequence of Row
        The results of right models and of defects.
    cases : dict of str to Case
        The cases by name.

    Returns
    -------
    list of str
        A sentence for each violation.
    """
    right = [row for row in rows if not cases[row.kind].expected]
    violations = [
        f"{row.kind}, replicate {row.replicate}: {row.check} {row.status}: {row.message}"
        for row in right
        if row.status in BROKEN and not _is_verdict(row)
    ]
    for name, by_kind in _group_statuses(right).items():
        statuses = [status for part in by_kind.values() for status in part if status != "n/a"]
        for bad, share in _list_bounds(name):
            count = sum(status in bad for status in statuses)
            if compute_binomial_tail(count, len(statuses), share) < CHANCE:
                violations.append(
                    f"{name} is {' or '.join(bad)} in {count} of {len(statuses)} replicates of "
                    f"right models, where at most {share:.1%} are allowed"
                )
    for kind, replicates in _group_replicates(rows).items():
        expected = set(cases[kind].expected)
        if expected and cases[kind].is_small:
            violations += [
                f"{kind}, replicate {part[0].replicate}: none of {', '.join(sorted(expected))} "
                f"sees the defect; {', '.join(sorted(_list_alarms(part))) or 'nothing'} does"
                for part in replicates
                if not _list_alarms(part) & expected
            ]
    return violations


def compute_binomial_tail(count: int, total: int, share: float) -> float:
    """Return the probability of at least `count` successes in `total` trials."""
    return sum(
        comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(count, total + 1)
    )


def _is_verdict(row: Row) -> bool:
    return row.check == "verdict"


def _is_check(row: Row) -> bool:
    return bool(row.status) and not row.check.startswith("stage ")


def _list_bounds(check: str) -> list[tuple[tuple[str, ...], float]]:
    """Return statuses, and the share of replicates in which a check may have one of them."""
    if check == "verdict":
        return [(ALARMS, MAX_VERDICT_SHARE)]
    return [(("fail",), MAX_FAIL_SHARE), (("warn",), MAX_WARN_SHARE)]


def _group_statuses(rows: Iterable[Row]) -> dict[str, dict[str, list[str]]]:
    """Return the statuses by check and kind."""
    groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if _is_check(row):
            groups[row.check][row.kind].append(row.status)
    return groups


def _group_replicates(rows: Iterable[Row]) -> dict[str, list[list[Row]]]:
    """Return the rows of each replicate, by kind."""
    groups: dict[str, dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row.kind][row.replicate].append(row)
    return {kind: list(replicates.values()) for kind, replicates in groups.items()}


def _list_alarms(rows: Iterable[Row]) -> set[str]:
    """Return the checks of a replicate that warn or fail, and `refused` or `crash` of a stage."""
    alarms = set()
    for row in rows:
        if row.check.startswith("stage "):
            alarms.add(row.status)
        elif not _is_verdict(row) and row.status in ALARMS:
            alarms.add(row.check)
    return alarms


def _describe_check(check: str, by_kind: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Return the cells of a check: over all kinds in which it applies, and of the worst kind."""
    statuses = [status for part in by_kind.values() for status in part if status != "n/a"]
    total = len(statuses)
    if not total:
        return check, "0", "", "", "n/a", ""
    failures = sum(status == "fail" or status in BROKEN for status in statuses)
    warnings = statuses.count("warn")
    broken = [
        bad
        for bad, share in _list_bounds(check)
        if sum(status in bad for status in statuses) > share * total
    ]
    shares = {
        kind: sum(status in ALARMS for status in part) / len(part) for kind, part in by_kind.items()
    }
    worst = max(shares, key=lambda kind: shares[kind])
    return (
        check,
        str(total),
        _format_share(warnings, total),
        _format_share(failures, total),
        "**does not hold**" if broken else "holds",
        f"{worst} {shares[worst]:.1%}" if shares[worst] else "",
    )


def _describe_kind(
    kind: str, rows: Sequence[Row], by_check: Mapping[str, Mapping[str, list[str]]], checks: list
) -> tuple[str, ...]:
    """Return the cells of a kind: replicates, seconds of each, and the alarms of each check."""
    of_kind = [row for row in rows if row.kind == kind]
    total = sum(map(_is_verdict, of_kind))
    seconds = sum(row.value for row in of_kind if row.check.startswith("seconds ")) / total
    cells = []
    for check in checks:
        statuses = by_check[check].get(kind, [])
        failures = sum(status == "fail" or status in BROKEN for status in statuses)
        shares = [100 * count / total for count in (statuses.count("warn"), failures)]
        cells.append("{:.1f} + {:.1f}".format(*shares) if any(shares) else "")
    return kind, str(total), f"{seconds:.1f}", *cells


def _describe_counts(counts: Mapping[str, int], names: Iterable[str]) -> str:
    return ", ".join(f"{name} {counts[name]}" for name in sorted(names))


def _format_share(count: int, total: int) -> str:
    """Return a share in percent with its binomial standard error."""
    share = count / total
    return f"{100 * share:.1f} ± {100 * sqrt(share * (1 - share) / total):.1f} %" if count else "0"


def _make_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
