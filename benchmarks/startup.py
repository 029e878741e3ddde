"""How long a fresh process takes to start, beside the peers: whole processes, median of several.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time

RUNS = 7
COMMANDS = {
    "import intarsia": [sys.executable, "-c", "import intarsia"],
    "intarsia --help": [sys.executable, "-m", "intarsia", "--help"],
    "intarsia train --help": [sys.executable, "-m", "intarsia", "train", "--help"],
    "import torchvision": [sys.executable, "-c", "import torchvision"],
    "import segmentation_models_pytorch": [sys.executable, "-c", "import segmentation_models_pytorch"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    for name, command in COMMANDS.items():
        seconds(command)  # fills the file cache
        print(f"{name:<36} {statistics.median(seconds(command) for _ in range(RUNS)):.3f} s")
