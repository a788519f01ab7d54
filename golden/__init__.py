"""Bit-exact models of every codec: the executable specification that RTL, simulator and tests share."""
