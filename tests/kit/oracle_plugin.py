"""Hooks for pytest: a test in which the oracle was lost says nothing of Hutch, so it is repeated, and the loss is told.

Each loss (see oracle_supervisor) becomes a warning in the summary. A test that failed when its oracle was lost runs again with a fresh one,
and is skipped, loudly, when it loses that, too. A test that failed with a sound oracle has failed. Between two tests every oracle is emptied and
its configuration set back, so that none depends on what ran before it.
"""

from _pytest.runner import runtestprotocol

from kit import oracle_supervisor

ATTEMPTS = 3
ORACLES = {"oracle", "second_oracle"}


class OracleLost(UserWarning):
    """The Redis that we compare with died, hung or was spoilt."""


def _attempt(item, nextitem):
    """The reports of one run, and the oracles lost in it."""
    at = len(oracle_supervisor.LOSSES)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for supervisor in list(oracle_supervisor.SUPERVISORS):
        supervisor.check(tidy=True)
    return reports, oracle_supervisor.losses_since(at)


def _forget_failed_fixtures(item):
    """A fixture of a module that failed would fail again from memory."""
    for definitions in item._fixtureinfo.name2fixturedefs.values():
        for definition in definitions:
            if definition.cached_result is not None and definition.cached_result[2] is not None:
                definition.cached_result = None


def pytest_runtest_protocol(item, nextitem):
    if ORACLES.isdisjoint(getattr(item, "fixturenames", ())):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in range(1, ATTEMPTS + 1):
        reports, losses = _attempt(item, nextitem)
        for loss in losses:
            item.warn(OracleLost(f"{item.nodeid}: {loss}"))
        failed = [report for report in reports if report.failed]
        if not failed or all(loss.mended for loss in losses):
            break
        if attempt < ATTEMPTS:
            _forget_failed_fixtures(item)
            item._initrequest()
            continue
        for report in failed:
            path, line, _ = item.location
            report.outcome = "skipped"
            report.longrepr = str(path), (line or 0) + 1, f"NOT COMPARED WITH REDIS: it was lost {ATTEMPTS} times in this test, at last: {losses[-1].what}"
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
