"""`python -m parjanya_dagster.cli` is `parjanya`."""

from parjanya_dagster.cli.main import main

main()
