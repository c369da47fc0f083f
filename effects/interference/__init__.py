"""Where the treatment of one row may touch the outcome of another: effects of exposures."""

from whydrift.effects.interference.exposure import ExposureEffects, network_exposure

__all__ = ["ExposureEffects", "network_exposure"]
