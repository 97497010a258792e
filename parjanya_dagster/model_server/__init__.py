"""A vLLM server of one model on this machine, beside the instance that asks it.

vLLM lives in an environment of its own, since it pins what we pin otherwise. Here it is a program
that is started, watched until it answers, and ended.
"""
