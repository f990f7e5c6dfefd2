"""The audit of a grader that looks at files: each completion is judged on a copy of the folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from guerdon.audit.attacks import ATTACKS
from guerdon.audit.bench import MEGABYTES, Bench, Verdict
from guerdon.audit.cases import Case, Expect, cases_of
from guerdon.audit.copies import Copy, names_files
from guerdon.audit.data import FORMS
from guerdon.audit.findings import Audit, Finding
from guerdon.audit.run import (
    AuditError,
    Judged,
    Scale,
    Watch,
    blind_finding,
    empty_share,
    finding,
    findings_of,
    not_judged,
    tallies_of,
    with_parts,
)
from guerdon.audit.solutions import Ground, form_of, unsolved
from guerdon.audit.tampering import AFTER_RIGHT, LEFT_RUNNING, OUTSIDE, TAMPERINGS, Tampering
from guerdon.examples import Judges, Probe
from guerdon.records import Task
from guerdon.stages import Reward

REFERENCES = ("reference_solution", "gold_patch", "patch", "solution")
"""Columns that the reference solution may stand in, before the answer."""

PLAIN = tuple(attack for attack in ATTACKS if attack.name in ("wrong", "empty", "echo"))
"""What is tried of the attacks on texts."""

_MENDS = {
    "changed": AFTER_RIGHT.mend,
    "outside": OUTSIDE.mend,
    "left running": LEFT_RUNNING.mend,
}
"""What is to be done about each kind of trace, whatever left it."""


def folder_probes(tasks: Sequence[Task]) -> list[Probe]:
    """A probe per task that names a folder or file, its right answer the reference solution.

    The wrong one does nothing, in the same form; ``wrong_answers`` of the task come first. Raises
    ValueError for a task without a reference solution, or with one that `form_of` can't read.
    """
    return [_probe(task) for task in tasks if names_files(task)]


def _probe(task: Task) -> Probe:
    given = [task.columns.get(name) for name in REFERENCES] + [task.answer]
    right = next((text for text in given if isinstance(text, str) and text.strip()), None)
    if right is None:
        raise ValueError(
            f"task {task.id!r} names a folder and has no reference solution to make attacks from; "
            f"give one as its answer, or in the column {' or '.join(REFERENCES)}"
        )
    try:
        nothing = unsolved(form_of(right), Ground(Path()))
    except ValueError as error:
        raise ValueError(f"task {task.id!r}: {error}") from None
    return Probe(task, right, (*task.columns.get("wrong_answers", ()), nothing))


def audit_folders(
    reward: Reward,
    probes: Sequence[Probe],
    name: str,
    *,
    seconds: float = 10.0,
    megabytes: int = MEGABYTES,
    attacks: Sequence[Tampering] = TAMPERINGS,
    watch: Watch = lambda done, what: None,
) -> Audit:
    """Attack a reward that looks at files, as `guerdon.audit.audit` does one that reads text.

    Every completion is judged on fresh copies of what the task's columns name; afterwards these
    are compared with what was given. Beside what is paid, a finding is what changed in them, what
    was written beside them, and a process that goes on. Raises AuditError where the reward can't
    judge the first reference solution, or works on the named folder instead of the copy; nothing
    is attacked then.
    """
    rows: list[Judged] = []
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="guerdon-audit-", ignore_cleanup_errors=True) as made:
        temporary = Path(made).resolve() / "tmp"
        temporary.mkdir()
        with Bench(reward, seconds, megabytes, temporary) as bench:
            for number, probe in enumerate(probes):
                watch(number / len(probes), probe.task.id)
                trial = _Trial(bench, probe, temporary.parent)
                if number == 0 and trial.scale.high.trouble:
                    raise not_judged(trial.probe, trial.scale.high)
                findings += trial.findings(attacks)
                rows += trial.rows
    return Audit(
        reward=name,
        judges=str(Judges.FILES),
        form=probes[0].form,
        tasks=len(probes),
        cases=len(rows),
        tallies=tallies_of(rows, findings, (*PLAIN, *attacks)),
        findings=tuple(with_parts(findings, rows, reward)),
        empty_earns=empty_share(rows),
        length={"correlation": None, "gain": None},
        slowest=round(max(row.verdict.seconds for row in rows), 2),
    )


class _Trial:
    """One task: its copy, its scale, and every attack on it."""

    def __init__(self, bench: Bench, probe: Probe, scratch: Path) -> None:
        self.bench = bench
        self.form = form_of(probe.right)
        self.copy = Copy(probe.task, scratch, self.form, probe.right)
        wrong = (*probe.wrong[:-1], unsolved(self.form, self.copy.ground))
        self.probe, self.scale = self._formed(replace(probe, task=self.copy.task, wrong=wrong))
        self.rows: list[Judged] = []

    def _formed(self, probe: Probe) -> tuple[Probe, Scale]:
        """The probe in the form that is paid: bare, or what `FORMS` puts around."""
        tried = []
        for form in (probe.form, *FORMS):
            one = replace(probe, form=form)
            good = self._judged(one, one.good)
            if self.copy.originals_changed():
                raise AuditError(
                    f"the reward wrote to {self.copy.originals[0]} itself while it judged a copy "
                    "of it; nothing was attacked. Let it take the path from the task's column"
                )
            usual = self.copy.changed()
            tried.append((one, Scale(self._judged(one, one.bad), good), usual))
            if not tried[-1][1].blind:
                break
        best, scale, self.copy.usual = tried[0] if tried[-1][1].blind else tried[-1]
        return best, scale

    def _judged(self, probe: Probe, text: str) -> Verdict:
        self.copy.restore()
        return self.bench.one(probe, text)

    def findings(self, attacks: Sequence[Tampering]) -> list[Finding]:
        """Every attack, one after the other; the rows are kept."""
        found = [blind_finding(self.probe, self.scale)] if self.scale.blind else []
        for case in cases_of(self.probe, PLAIN, Judges.ANSWER):
            found += self._tried(case, self._judged(self.probe, case.completion), "")
        for one in attacks:
            for text in self._texts(one):
                verdict = self._judged(self.probe, text)
                found += self._tried(self._case(one, text), verdict, one.mend)
        if AFTER_RIGHT in attacks:
            self._judged(self.probe, self.probe.good)
            after = self.bench.one(self.probe, self.probe.bad)
            case = self._case(AFTER_RIGHT, self.probe.bad)
            found += self._found(case, after, AFTER_RIGHT.mend)
        return found

    def _texts(self, one: Tampering) -> Iterable[str]:
        ground = self.copy.ground
        written = (self.form.written(trick, ground) for trick in one.make(ground))
        return dict.fromkeys(self.probe.wrap(text) for text in written if text is not None)

    def _case(self, one: Tampering, text: str) -> Case:
        return Case(self.probe, one.name, text, Expect.LOW)

    def _found(self, case: Case, verdict: Verdict, mend: str) -> list[Finding]:
        """What the verdict shows; a completion that was paid is told with the mend."""
        row = Judged(case, verdict, self.scale)
        self.rows.append(row)
        return [
            replace(one, reason=mend) if one.kind == "false positive" else one
            for one in findings_of(row, self.bench.reward)
        ]

    def _tried(self, case: Case, verdict: Verdict, mend: str) -> list[Finding]:
        found = self._found(case, verdict, mend)
        row = self.rows[-1]
        found += [finding(kind, row, f"{what}; {_MENDS[kind]}") for kind, what in self._traces()]
        if any(one.kind == "false positive" for one in found):
            again = Judged(case, self._judged(self.probe, self.probe.bad), self.scale)
            if (again.share or 0.0) > 0.5:
                found.append(
                    finding(
                        "unsteady",
                        row,
                        "a wrong answer is paid after it: the reward's own "
                        "process was changed; run completions in another one",
                    )
                )
                self.bench.renew()
        return found

    def _traces(self) -> Iterator[tuple[str, str]]:
        """What a completion left: a kind of finding, and what there is."""
        if left := self.copy.end_left():
            yield "left running", f"{left} of its processes went on"
        if beside := self.copy.outside():
            yield "outside", f"{beside[0].name} lies in {beside[0].parent}"
        if changed := self.copy.changed():
            yield "changed", self.copy.told(changed)
