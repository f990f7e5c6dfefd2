"""A blank model is one thing for one seed."""

import pytest
import torch

from guerdon.nursery.blank import blank_model


def test_a_seed_is_one_model_and_another_seed_another():
    one, two, other = (blank_model(seed)[0].state_dict() for seed in (0, 0, 1))
    name = next(k for k in one if "q_proj" in k)
    assert torch.equal(one[name], two[name])
    assert not torch.equal(one[name], other[name])


def test_its_width_and_depth_are_as_asked_and_it_speaks_the_seedlings_tokens():
    model, tokenizer = blank_model(0, width=16, layers=1)
    assert (model.config.hidden_size, model.config.num_hidden_layers) == (16, 1)
    assert model.config.vocab_size == len(tokenizer)
    with pytest.raises(ValueError, match="multiple of 8"):
        blank_model(0, width=12)
