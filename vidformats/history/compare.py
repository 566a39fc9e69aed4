"""Two environments at one commit, in asv's own table: what another release of a library does to our loads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any


class Outcome(IntEnum):
    """What a comparison found; the command's exit code."""

    FINE = 0
    SLOWER = 1
    FAILED = 2
    NOTHING_MEASURED = 3


class ComparisonError(ValueError):
    """The environments, the machine or the commit asked for can't be told from the results."""


@dataclass(frozen=True)
class Pair:
    """Two sets of results to compare.

    Parameters
    ----------
    before, after : asv.results.Results
        Of one machine and one commit.
    """

    before: Any
    after: Any


def find_pair(
    results_dir: Path, first: str, second: str, commit: str | None = None, machine: str | None = None
) -> Pair:
    """Return the results of two environments at one commit.

    Parameters
    ----------
    results_dir : Path
        asv's folder of results.
    first, second : str
        Parts of environments' names, such as ``h5py3.11.0``. Of all environments that fit, the two that
        differ least are meant: with ``h5py3.16.0`` the common base, not the base with another NumPy.
    commit : str, optional
        Its whole hash; without one, the youngest commit that has both.
    machine : str, optional
        Needed where several machines have results.

    Raises
    ------
    LookupError
        Where no commit has both.
    ComparisonError
        Where machine or environments are not told apart.
    """
    from asv.results import iter_results

    found: dict[str, list[Any]] = {}
    for result in iter_results(str(results_dir)):
        found.setdefault(result.params["machine"], []).append(result)
    if machine is None and len(found) > 1:
        raise ComparisonError(f"results of several machines, name one with --machine: {', '.join(sorted(found))}")
    measured = found.get(machine, []) if machine else next(iter(found.values()), [])
    names = {result.env_name for result in measured}
    for asked in (first, second):
        if not any(_fits(asked, name) for name in names):
            raise LookupError(f"nothing is measured in an environment with {asked}; there are: {_listed(names)}")
    ages = {result.commit_hash: result.date for result in measured if commit in (None, result.commit_hash)}
    for youngest in sorted(ages, key=lambda commit: ages[commit], reverse=True):
        here = {result.env_name: result for result in measured if result.commit_hash == youngest}
        closest = _closest(here, first, second)
        if closest:
            return Pair(here[closest[0]], here[closest[1]])
    raise LookupError(f"no results for both {first} and {second} at {commit or 'any one commit'}")


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "no results"


def _fits(asked: str, environment: str) -> bool:
    """Return whether the part asked for is a whole part of an environment's name, or all of it."""
    return bool(re.search(rf"(^|-){re.escape(asked)}($|-)", environment))


def _settings(result: Any) -> set:
    return {*result.params.items(), *result.env_vars.items()}


def _closest(here: dict[str, Any], first: str, second: str) -> tuple[str, str] | None:
    """Return the names of the two environments that differ least."""
    pairs = [
        (len(_settings(here[a]) ^ _settings(here[b])), a, b)
        for a in here
        for b in here
        if a != b and _fits(first, a) and _fits(second, b)
    ]
    if not pairs:
        return None
    least = min(pairs)[0]
    best = [(a, b) for difference, a, b in pairs if difference == least]
    if len(best) > 1:
        raise ComparisonError(
            f"several pairs fit {first} and {second}, name more: " + "; ".join(f"{a} and {b}" for a, b in best)
        )
    return best[0]


def compare(conf: Any, pair: Pair, factor: float = 1.1, only_changed: bool = False, sort: str = "ratio") -> Outcome:
    """Print asv's table of two environments, and tell what it found.

    Parameters
    ----------
    conf : asv.config.Config
        The configuration whose results are compared.
    pair : Pair
        As `find_pair` returns it.
    factor : float
        From which ratio on a difference counts; where asv recorded statistics, it must be certain besides.
    only_changed : bool
        Leave out what stayed the same.
    sort : {"ratio", "name", "default"}
        asv's orders.

    Returns
    -------
    outcome : Outcome
        A failure counts more than a slowdown, and only failures that the second environment brought count.
    """
    from asv.commands.compare import Compare

    before, after = list(_rows(pair.before)), list(_rows(pair.after))
    verdicts = list(_verdicts(before, after))
    if not any(measured for measured, _ in verdicts):
        return Outcome.NOTHING_MEASURED
    # The table heads a column with the first eight letters and the name found for the whole.
    keys = [f"{result.commit_hash} {result.env_name}" for result in (pair.before, pair.after)]
    worsened, _ = Compare.print_table(
        conf,
        *keys,
        factor=factor,
        split=False,
        resultset_1=iter(before),
        resultset_2=iter(after),
        only_changed=only_changed,
        sort=sort,
        commit_names=dict(zip(keys, _labels(pair), strict=True)),
    )
    if any(failed for _, failed in verdicts):
        return Outcome.FAILED
    return Outcome.SLOWER if worsened else Outcome.FINE


def _labels(pair: Pair) -> list[str]:
    """Name two environments by what tells them apart."""
    sides = [_settings(pair.before), _settings(pair.after)]
    return [
        "-".join(sorted(f"{name}{version}" for name, version in mine - other)) for mine, other in (sides, sides[::-1])
    ]


def _rows(result: Any) -> Iterator[tuple]:
    """Yield what asv's table takes: both sides carry one label, so that it joins them."""
    for key in result.get_all_result_keys():
        params = result.get_result_params(key)
        columns = (result.get_result_value, result.get_result_stats, result.get_result_samples)
        values = [column(key, params) for column in columns]
        yield key, params, *values, result.benchmark_version.get(key), result.params["machine"], ""


def _verdicts(before: list[tuple], after: list[tuple]) -> Iterator[tuple[bool, bool]]:
    """Yield of every case both sides know: whether both measured it, and whether the second side lost it."""
    from asv.commands.compare import unroll_result

    sides = []
    for rows in (before, after):
        sides.append(
            {name: value for key, params, value, *_ in rows for name, value in unroll_result(key, params, value)}
        )
    for name in sides[0].keys() & sides[1].keys():
        first, second = sides[0][name], sides[1][name]
        skipped = first != first or second != second
        yield not skipped and None not in (first, second), first is not None and second is None
