"""BLEUBERI in miniature.

The miniature has two parts in one claim. A: pairs of corrupted paraphrases whose order is known
(fewer wrong facts, then fewer broken words): how often does a metric rank them right? B: RL on
the seedling with hard, random and easy prompts; the figure is how often the answer names the
right person and value alone, which the reward never sees. To fit three minutes both parts have
3 seeds, A has 1000 pairs (not 2000), B 20 steps (not 150) on 32 prompts (not 200) of 128. The
library's other metrics are reported in A and not judged.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from guerdon.curriculum import Pick, at_random, easy, hard
from guerdon.recipes.bleuberi import SLUG, build, selected
from guerdon.records import Progress
from guerdon.reproduction import Arm, Claim, Expectation, Report
from guerdon.rewards import FunctionReward, ReferenceBLEU, add_one_bleu, bleu_rouge, chrf, rouge_l
from guerdon.stages import Sampling
from guerdon.tasks import VALUES, FactQuestions, corrupted_report, fact_report, facts_right
from guerdon.training import Loop, train

Metric = Callable[[str, tuple[str, ...]], float]


@dataclass(frozen=True)
class Agreement:
    """Part A: the share of pairs of unequal quality that ``metric`` ranks right; a tie is wrong."""

    metric: Metric
    references: int = 5
    pairs: int = 1000

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        source, right, made = random.Random(seed), 0, 0
        while made < self.pairs:
            facts = {relation: source.choice(values) for relation, values in VALUES.items()}
            given = tuple(fact_report("Anna", facts, source) for _ in range(5))[: self.references]
            one, two = (corrupted_report("Anna", facts, source) for _ in range(2))
            if one[:2] != two[:2]:
                better, worse = (self.metric(c[2], given) for c in sorted((one, two)))
                right, made = right + (better > worse), made + 1
        return {"share right": right / made}


@dataclass(frozen=True)
class Tuned:
    """Part B: the seedling after ``steps`` steps on prompts chosen by ``which``."""

    which: Pick = hard
    steps: int = 20
    pool: int = 128
    count: int = 32
    held_out: int = 128

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        source = FactQuestions(train=self.pool, seed=seed)
        loop = Loop(self.steps, 8, checkpoint_every=0, evaluation_tasks=1, seed=seed)
        tasks = source if not self.steps else selected(source, self.count, self.which)
        result = train(build(tasks=tasks, loop=loop), quiet=True)
        held_out = FactQuestions().load("test")[: self.held_out]
        rows = result.model.sample(held_out, 1, Sampling(temperature=0.0), seed)
        silent = [h["zero_std_share"] for h in result.history]
        return {
            "share right": FunctionReward(facts_right)(rows, Progress()).value.mean().item(),
            "bleu": ReferenceBLEU()(rows, Progress()).value.mean().item(),
            "zero_std_share": sum(silent) / max(len(silent), 1),
        }


def claim() -> Claim:
    """BLEU ranks by truth, more references help, and training by it raises truth."""
    what = "share right"
    arms: dict[str, Arm] = {f"A: bleu, {n} ref": Agreement(add_one_bleu, n) for n in range(1, 6)}
    for other in (rouge_l, bleu_rouge, chrf):
        arms[f"A: {other.__name__.replace('_', '-')}"] = Agreement(other)
    arms["A: length"] = Agreement(lambda text, _: len(text.split()))
    arms["A: random"] = Agreement(lambda text, _: random.Random(text).random())
    arms |= {"B: untrained": Tuned(steps=0), "B: hard": Tuned(hard)}
    arms |= {"B: random": Tuned(at_random), "B: easy": Tuned(easy)}
    return Claim(
        slug=SLUG,
        statement="BLEU against references ranks answers by truth, and GRPO on it raises truth",
        arms=arms,
        metric=what,
        expectations=(
            Expectation("A: bleu, 5 ref", "A: bleu, 1 ref", what, matters=0.01),
            Expectation("A: bleu, 1 ref", "A: length", what),
            Expectation("A: bleu, 1 ref", "A: rouge-l", what),
            Expectation("A: length", "A: random", what),
            Expectation("B: hard", "B: untrained", what, matters=0.1),
            Expectation("B: random", "B: untrained", what, matters=0.1),
            Expectation("B: hard", "B: easy", what, why="easy gains least"),
            Expectation("B: easy", "B: hard", "zero_std_share"),
        ),
    )
