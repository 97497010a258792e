"""The policies that ship with Parjanya, as data. A published version never changes its content."""
