"""What ``--help`` says of a recipe's settings; the names come from the stages' lists."""

from __future__ import annotations

import textwrap

from guerdon.cli.offered import POLICY_CHOICES, PREFERENCE_CHOICES, RANKING_CHOICES, Choices

SHORT_OPTIONS = ("model", "endpoint", "exams", "kl", "steps", "seed")
"""Settings that have a short name besides their place in the recipe."""


def overrides() -> str:
    """The settings that follow a command's own options."""
    return f"""Settings of the recipe follow as nested options, for example
  --loop.steps 100 --sampling.temperature 0.8 --objective.clip-high 0.28
and these short forms:
  --model NAME     a Hub id, a local folder or a GGUF file instead of the seedling (--model.name),
                   the model folder of a run of any policy, or table, network: a small policy over
                   the states of worlds and choices
  --model.engine E what samples: transformers (the model itself) or vllm; its settings follow,
                   for example --model.engine.max-length 4096
  --endpoint URL   ask the server at this address, which knows the model as --model NAME
                   (OpenAI's protocol; sample and evaluate; --model.engine.no-chat for plain text)
  --tasks FILE     JSON, CSV (packed or not), Parquet, a datasets folder, or hub:OWNER/NAME: columns
                   prompt and answer (and image), or as GSM8K, MATH, MMLU, TRL and verl write them
  --reward FILE:F  a function of your own, e.g. rewards.py:brevity, or module:name
  --exams NAME=F   a further held-out set, all of this file or a source of ours (NAME=F,REWARD for
                   a reward of its own); once for each
  --trust FILE     a file or module of yours that a recipe.yaml may run, or what else it may reach
                   (a URL, a folder, env:NAME, weak-isolation; several with commas, or once for
                   each); what --reward and --endpoint name here is trusted by that
  --kl X           a KL loss of coefficient X against the starting policy (or --reference)
  --sampling.X V   --sampler.sampling.X
  --steps N        --loop.steps
  --seed N         --loop.seed
Parts by name (NAME, or NAME:VALUE with its first setting; --shaping and --monitors take
several, with commas),
whose own settings are options in turn, for example --advantage return-to-go
--advantage.discount 0.9:
{listing(POLICY_CHOICES)}
Any number of a part may follow the run: --optimiser.lr linear:3e-4,0 goes to 0 at the last step;
also cosine, exponential, steps:1,0.5,0.1 (equal parts of the run) and adaptive:START,TARGET.
Of a chain of stages the options of one begin with its name, --stages.rl.objective gspo, and
--stages.rl.carry is weights, as-reward or nothing; --from NAME --model FOLDER skips those before.
Of rounds all options are those of the recipe that they have, besides --times and --carry.
Ask for all settings of a recipe with --settings."""


def preferences() -> str:
    """What ``train --pairs`` takes."""
    return f"""With --pairs (rows of prompt, chosen and rejected) there is no sampling; the
settings are --model, --epochs, --batch, --seed, --optimiser.lr and so on, and
{listing(PREFERENCE_CHOICES)}
With --demonstrations (rows of prompt and completion) the model learns to write these; the
settings are the same, without objective and reference.
With --rankings, or --pairs and --reward-model, a reward model is trained on pairs, or on rows of
prompt and ranked (a list of texts, best first). The run's folder/model is then a reward for train,
score and serve: --reward reward-model:FOLDER. The settings are the same, and
{listing(RANKING_CHOICES)}"""


def listing(choices: Choices) -> str:
    """Every option with the names it takes, for help."""
    width = 5 + max(map(len, choices))
    return "\n".join(
        textwrap.fill(
            ", ".join(table),
            94,
            initial_indent=f"  --{option}".ljust(width),
            subsequent_indent=" " * width,
            break_on_hyphens=False,
        )
        for option, table in choices.items()
    )
