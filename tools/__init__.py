"""Programs that fit models and make documents. Programs that measure are in `bench`."""
