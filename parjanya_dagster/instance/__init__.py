"""An instance of Parjanya on one machine: its home, and the processes that serve it."""
