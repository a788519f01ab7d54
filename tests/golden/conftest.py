"""Puts the slow models and strategies that lie here within reach of every test below."""
