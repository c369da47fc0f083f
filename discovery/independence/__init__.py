"""Conditional-independence tests: does X tell anything about Y once Z is known."""

from whydrift.discovery.independence.base import IndependenceTest
from whydrift.discovery.independence.registry import independence_test, known_tests

__all__ = ["IndependenceTest", "independence_test", "known_tests"]
