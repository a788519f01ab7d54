"""Activation codecs: encoder, decoder, chooser of modes and index of a tile stream."""
