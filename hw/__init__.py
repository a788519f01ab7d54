"""Hardware of the codecs in Amaranth: pure stream cores, built from the format objects of `golden`."""
