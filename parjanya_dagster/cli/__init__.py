"""The command line `parjanya …`: a module per command group, each thin."""
