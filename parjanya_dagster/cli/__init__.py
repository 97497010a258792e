"""The command line `parjanya …`: one module per command. Each opens a home, asks, and prints."""
