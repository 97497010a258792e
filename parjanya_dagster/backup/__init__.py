"""A copy of Truth that can be brought back, and what it expects to find beside it.

A backup is a folder: a copy of the store, the settings of the home, and `backup.json`, which says
what is in it. It is written beside its place and renamed, so a backup that has its name is whole.
Objects are not in it: they are copied by the means of the storage. What is missing of them is told.
"""
