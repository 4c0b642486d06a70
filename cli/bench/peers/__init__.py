"""Other systems on the workloads of `soulfra bench stream`, each a program of its own that answers with one line of JSON.

Those in Python are started as `python -m peers.raw` in the folder above: some of them live in an environment that has none
of Soulfra's packages, hence the relative imports. `run.py` says what all of them are asked and what they answer.
"""
