"""By which way: the part of an effect that passes through a mediator, and the rest."""
