"""The weight coder of Arm's Vela compiler, in a process of its own: it leaves the process on a stream that is cut."""

import pickle
import subprocess
import sys

_PROGRAM = """
import pickle, sys
from ethosu import mlw_codec
jobs = pickle.load(sys.stdin.buffer)
done = [
    bytes(mlw_codec.encode(job)) if isinstance(job, list) else list(mlw_codec.decode(bytearray(job))) for job in jobs
]
pickle.dump(done, sys.stdout.buffer)
"""


def run_reference(jobs: list) -> list:
    """Encode each list of weights, decode each bytes."""
    answer = subprocess.run(
        [sys.executable, "-c", _PROGRAM], input=pickle.dumps(jobs), capture_output=True, check=True, timeout=120
    )
    return pickle.loads(answer.stdout)
