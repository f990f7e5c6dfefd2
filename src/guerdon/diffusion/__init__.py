"""Denoisers as policies: steps of a chain are acts, latents are what they saw."""

from typing import TYPE_CHECKING

from guerdon.exports import exporting

if TYPE_CHECKING:
    from guerdon.diffusion.kernels import DDIM as DDIM
    from guerdon.diffusion.kernels import DDPM as DDPM
    from guerdon.diffusion.kernels import StepKernel as StepKernel
    from guerdon.diffusion.kernels import levels_of as levels_of
    from guerdon.diffusion.policy import DenoiserPolicy as DenoiserPolicy
    from guerdon.diffusion.ring import NearAnswer as NearAnswer
    from guerdon.diffusion.ring import RingDenoiser as RingDenoiser
    from guerdon.diffusion.ring import RingTasks as RingTasks

if not TYPE_CHECKING:
    __getattr__, __dir__, __all__ = exporting(__name__)
