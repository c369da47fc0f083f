"""What a method is: its hyperparameters, and from a study an Effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from whydrift.effects.effect import Effect
    from whydrift.effects.question import Question
    from whydrift.effects.study import Study

__all__ = ["Method"]


class Method(Protocol):
    """A way to estimate an effect.

    A method is a frozen dataclass: its fields are its hyperparameters, each with a default where
    there is a good one, and the names of the options that `estimate` and the command line take.
    Its row in the registry says, without importing it, what it needs and offers.
    """

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect.

        Raises
        ------
        WhydriftError
            If the data do not fit the method; a *degraded* answer is a failed check instead.
        """
        ...
