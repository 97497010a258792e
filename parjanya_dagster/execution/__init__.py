"""Execution: disposable workers that claim rows, work, and commit under a fence."""
