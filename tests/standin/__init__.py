"""The stand-in's parts with a clock that stands still, and what only the stand-in has."""
