"""BLEUBERI: GRPO with sentence BLEU against references, on the prompts the model is worst at.

Paper: BLEUBERI (2505.11080). Changed against GRPO: the reward is `ReferenceBLEU`; the training
prompts are the N of a pool whose one sampled answer (temperature 0.7, top-p 0.9) scores lowest
under the model to be trained; temperature 0.9, gradient norm 0.2. Left out: references from five
large models (a paraphrase grammar writes them), the mix with a reward model, the reasoning
format, and the chat benchmarks.

The miniature has two parts in one claim. A: pairs of corrupted paraphrases whose order is known
(fewer wrong facts, then fewer broken words): how often does a metric rank them right? B: RL on
the seedling with hard, random and easy prompts; the figure is how often the answer names the
right person and value alone, which the reward never sees. To fit three minutes both parts have
3 seeds, A has 1000 pairs (not 2000), B 6 steps (not 150) on 32 prompts (not 200) of 128.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from guerdon.curriculum import Ranking, at_random, easy, hard, select_by_score
from guerdon.recipes import Paper
from guerdon.records import Progress, Task
from guerdon.reproduction import Arm, Claim, Expectation, Report
from guerdon.rewards import ReferenceBLEU, add_one_bleu, reward, rouge_l
from guerdon.rollout import LanguagePolicy
from guerdon.stages import Sampling, TaskSource
from guerdon.tasks import VALUES, FactQuestions, paraphrase, stated_facts
from guerdon.training import Loop, Model, Optimiser, Recipe, train

SLUG = "bleuberi"
PAPER = Paper(
    "BLEUBERI: BLEU is a surprisingly effective reward for instruction following", "2505.11080"
)
Metric = Callable[[str, tuple[str, ...], random.Random], float]
RELATIONS = tuple(VALUES)


def select(policy: LanguagePolicy, tasks: Sequence[Task], count: int, which: Ranking) -> list[Task]:
    """``count`` of the tasks by the BLEU of one answer of the policy that will be trained."""
    drawn = policy.sample(tasks, 1, Sampling(temperature=0.7, top_p=0.9), 0)
    return select_by_score(tasks, ReferenceBLEU()(drawn, Progress()).value.tolist(), count, which)


@dataclass(frozen=True)
class Selected:
    """``count`` of the training tasks of ``source``, chosen by what ``model`` answers now."""

    source: TaskSource = field(default_factory=lambda: FactQuestions(train=1024))
    count: int = 400
    which: Ranking = hard
    model: Model = field(default_factory=Model)

    def load(self, split: str) -> Sequence[Task]:
        """The chosen tasks of "train"; the test split is whole."""
        tasks = self.source.load(split)
        if split == "test":
            return tasks
        return select(LanguagePolicy.load(self.model.name), tasks, self.count, self.which)


def build(**overrides: Any) -> Recipe:
    """The seedling answers questions about a table; BLEU is all it hears."""
    recipe = Recipe(
        name=SLUG,
        tasks=Selected(),
        reward=ReferenceBLEU(),
        sampling=Sampling(temperature=0.9),
        optimiser=Optimiser(lr=3e-4, clip=0.2),
        loop=Loop(steps=50, groups=16, group_size=8),
    )
    return replace(recipe, **overrides)


@reward
def facts_right(completion: str, answer: str, relation: str, person: str) -> float:
    """1 where the sentence names the person and the value asked for and no other."""
    return float(stated_facts(completion, relation) == ({person}, {answer}))


def report_on(who: str, facts: dict[str, str], source: random.Random) -> list[str]:
    """The words of one sentence per fact."""
    return " ".join(paraphrase(r, who, facts[r], source) for r in RELATIONS).split()


def corrupted(who: str, facts: dict[str, str], source: random.Random) -> tuple[int, int, str]:
    """Up to three wrong facts, then up to three broken words: (wrong, broken, text)."""
    wrong, broken = source.randint(0, len(RELATIONS)), source.randint(0, 3)
    told = dict(facts)
    for relation in source.sample(RELATIONS, wrong):
        told[relation] = source.choice([v for v in VALUES[relation] if v != facts[relation]])
    words = report_on(who, told, source)
    for _ in range(broken):
        at = source.randrange(len(words) - 1)
        pair = words[at : at + 2]
        words[at : at + 2] = source.choice((pair[::-1], pair[:1], [pair[0], *pair]))
    return wrong, broken, " ".join(words)


@dataclass(frozen=True)
class Agreement:
    """Part A: the share of pairs of unequal quality that ``metric`` ranks right; a tie is wrong."""

    metric: Metric
    references: int = 5
    pairs: int = 1000

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        source, coin, right, made = random.Random(seed), random.Random(seed), 0, 0
        while made < self.pairs:
            facts = {relation: source.choice(VALUES[relation]) for relation in RELATIONS}
            given = tuple(" ".join(report_on("Anna", facts, source)) for _ in range(5))
            one, two = (corrupted("Anna", facts, source) for _ in range(2))
            if one[:2] == two[:2]:
                continue
            used = given[: self.references]
            better, worse = (self.metric(c[2], used, coin) for c in sorted((one, two)))
            right, made = right + (better > worse), made + 1
        return {"share right": right / made}


def word_count(text: str, references: tuple[str, ...], coin: random.Random) -> float:
    """The longer text wins."""
    return len(text.split())


def toss(text: str, references: tuple[str, ...], coin: random.Random) -> float:
    """Any text wins."""
    return coin.random()


@dataclass(frozen=True)
class Tuned:
    """Part B: the seedling after ``steps`` steps on prompts chosen by ``which``."""

    which: Ranking = hard
    steps: int = 6
    pool: int = 128
    count: int = 32
    held_out: int = 128

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        source = FactQuestions(train=self.pool, seed=seed)
        loop = Loop(self.steps, 8, 8, checkpoint_every=0, evaluation_tasks=1, seed=seed)
        tasks = source if not self.steps else Selected(source, self.count, self.which)
        result = train(build(tasks=tasks, loop=loop), quiet=True)
        held_out = FactQuestions().load("test")[: self.held_out]
        rows = result.policy.sample(held_out, 1, Sampling(temperature=0.0), seed)
        silent = [h["zero_std_share"] for h in result.history]
        return {
            "share right": facts_right(rows, Progress()).value.mean().item(),
            "bleu": ReferenceBLEU()(rows, Progress()).value.mean().item(),
            "zero_std_share": sum(silent) / max(len(silent), 1),
        }


def claim() -> Claim:
    """BLEU ranks by truth, more references help, and training by it raises truth."""
    what = "share right"
    arms: dict[str, Arm] = {
        f"A: bleu, {n} ref": Agreement(lambda p, r, _: add_one_bleu(p, r), n) for n in range(1, 6)
    }
    arms["A: rouge-l"] = Agreement(lambda p, r, _: rouge_l(p, r))
    arms["A: length"] = Agreement(word_count)
    arms["A: random"] = Agreement(toss)
    arms |= {"B: untrained": Tuned(steps=0), "B: hard": Tuned(hard)}
    arms |= {"B: random": Tuned(at_random), "B: easy": Tuned(easy)}
    return Claim(
        slug=SLUG,
        statement="BLEU against references ranks answers by truth, and GRPO on it raises truth",
        arms=arms,
        metric=what,
        expectations=(
            Expectation("A: bleu, 5 ref", "A: bleu, 1 ref", what, at_least=0.01),
            Expectation("A: bleu, 1 ref", "A: length", what),
            Expectation("A: bleu, 1 ref", "A: rouge-l", what, refuted_below=-0.1),
            Expectation("A: length", "A: random", what, refuted_below=-0.1),
            Expectation("B: hard", "B: untrained", what, at_least=0.1),
            Expectation("B: random", "B: untrained", what, at_least=0.1),
            Expectation("B: hard", "B: easy", what, refuted_below=-0.1, why="easy gains least"),
            Expectation("B: easy", "B: hard", "zero_std_share", refuted_below=-0.1),
        ),
    )
