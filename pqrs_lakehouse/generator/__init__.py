"""Seeded, vectorised synthetic PQRS: coherent tickets as raw lines, with known dirt and the exact counts of it.

``generate`` a ``GeneratorConfig``; write its deliveries, or turn them into ``raw_files``; compare with ``.planted``.
"""

from pqrs_lakehouse.generator.config import DirtRates, GeneratorConfig
from pqrs_lakehouse.generator.stream import Delivery, Generation, Planted, generate, raw_files

__all__ = ["Delivery", "DirtRates", "Generation", "GeneratorConfig", "Planted", "generate", "raw_files"]
