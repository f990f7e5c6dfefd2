"""Language models below the stages: loading, prompts, packing, shared prefixes, heads."""
