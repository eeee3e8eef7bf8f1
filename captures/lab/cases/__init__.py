"""One case, one file: the network, the software, what happens when, and what must be found afterwards.

The first line of a case's docstring is its title, the rest its story. ``play(lab)`` acts it out; an optional
``NETWORK`` says how the machines are joined. No case reads a capture: that is the witnesses' work.
"""
