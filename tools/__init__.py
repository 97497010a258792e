"""Programs that fit models and make documents, or look at the platform from outside.

Programs that measure speed are in `bench`.
"""
