"""Truth: image rows, evidence, events, tenants, and the bytes they speak of.

Durable, authoritative, enough to rebuild everything else. Only fenced commits change a row.
"""
