"""The doctor: names the boundary that broke, and the next step, from facts of all four layers."""
