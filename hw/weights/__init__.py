"""Decoders of the weight codecs, and the datapath that they form."""
