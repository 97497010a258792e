"""Traces of runs, for OpenTelemetry: off unless the environment asks for them.

`spans` is what the stages use, over what `recorder` describes. `export` is OpenTelemetry, and is
imported only where traces are on.
"""
