"""Conditional-independence tests: is X independent of Y given Z?"""

from whydrift.discovery.independence.base import IndependenceTest
from whydrift.discovery.independence.registry import independence_test, known_tests

__all__ = ["IndependenceTest", "independence_test", "known_tests"]
