"""The demonstration: four windows of real wines, one question each, the truth beside the answer."""

from whydrift.monitor.demo.run import run_demo

__all__ = ["run_demo"]
