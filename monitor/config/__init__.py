"""The configuration: one file, or a folder of them, as checked and frozen values."""

from whydrift.monitor.config.load import load_config, parse_config
from whydrift.monitor.config.model import Config

__all__ = ["Config", "load_config", "parse_config"]
