"""The demonstration: a sample set that the whole chain can be run on."""
