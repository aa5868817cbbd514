"""
Time the colours of black bodies by pure Python, NumPy, the original tutorial and Posterity.

Run in the project's environment, from its folder:

    python benchmarks/colour.py [rounds] [betas]

All contenders use float64 and the same arrays. The loops and their names are those of the
tutorial, whose JAX code uses vmap without jit. Each contender is a process, since one of them
leaves gigabytes behind that slow down the next. They run in turn, and ratios are taken round by
round. CPU time is that of all threads and depends less on other work of the machine. The decimal
module gives 50 digits to compare with.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [
    str(ROOT / "workflow/lib"),
    str(ROOT / "workflow/models/colour"),
    str(ROOT / "tests"),
]
jax.config.update("jax_enable_x64", True)

from blackbody import colours, colours_and_slopes  # noqa: E402
from fifty_digits import colour_and_slope  # noqa: E402

FILTERS = pd.read_csv(ROOT / "resources/speclite/decamDR1.csv")
LAM, G, R = BANDS = [FILTERS[name].to_numpy() for name in ("wavelength", "g", "r")]
PYTHON_STRIDE = 500  # pure Python computes every 500th beta


def by_python(betas):
    """Return colours by the "bad way" of the tutorial, on plain floats."""
    lam = LAM.tolist()
    g_fil = G.tolist()
    r_fil = R.tolist()
    out = []
    for beta in betas.tolist():
        g_flux = r_flux = 0
        for j in range(len(lam)):
            bb_spec = 1 / lam[j] ** 2 * (math.exp(1 / lam[j] / beta) - 1) ** -1
            g_flux += g_fil[j] * bb_spec
            r_flux += r_fil[j] * bb_spec
        out.append(math.log10(g_flux / r_flux))
    return np.array(out)


def by_numpy(betas):
    """Return colours by the "better way" of the tutorial."""
    out_numpy = np.zeros(len(betas))
    for i in range(len(betas)):
        beta = betas[i]
        bb_spec = 1 / LAM**2 * (np.exp(1 / LAM / beta) - 1) ** -1
        g_flux = (G * bb_spec).sum()
        r_flux = (R * bb_spec).sum()
        out_numpy[i] = np.log10(g_flux / r_flux)
    return out_numpy


LAM_forjax, g_fil_forjax, r_fil_forjax = (jnp.array(band) for band in BANDS)


def jax_function(beta):
    """Return one colour by the "fastest way" of the tutorial."""
    bb_spec = 1 / LAM_forjax**2 * (jnp.exp(1 / LAM_forjax / beta) - 1) ** -1
    g_flux = jnp.sum(g_fil_forjax * bb_spec)
    r_flux = jnp.sum(r_fil_forjax * bb_spec)
    return jnp.log10(g_flux / r_flux)


jax_vectorized_function = jax.vmap(jax_function)

PYTHON = "pure Python"
COMPILED = "Posterity, compiled"
GRADIENT = "Posterity, with the gradient"
CONTENDERS = {
    PYTHON: by_python,
    "NumPy, in a loop": by_numpy,
    "the tutorial's JAX (vmap, not compiled)": lambda betas: jax_vectorized_function(
        jnp.array(betas)
    ),
    COMPILED: lambda betas: colours(betas, *BANDS),
    GRADIENT: lambda betas: colours_and_slopes(betas, *BANDS),
}


def get_stride(name: str) -> int:
    """Return the step between the betas that a contender computes."""
    return PYTHON_STRIDE if name == PYTHON else 1


def serve_contender(name: str, count: int) -> None:
    """Print the colours of a contender. Then print its seconds and CPU seconds per input line."""
    betas = np.logspace(-2, 0, count)[:: get_stride(name)]
    run = CONTENDERS[name]
    result = jax.block_until_ready(run(betas))  # compiles
    values = result[0] if isinstance(result, tuple) else result
    print(json.dumps(np.asarray(values).tolist()), flush=True)
    scale = count / len(betas)
    for _ in sys.stdin:
        start = time.perf_counter()
        cpu_start = time.process_time()
        jax.block_until_ready(run(betas))
        seconds = time.perf_counter() - start
        cpu_seconds = time.process_time() - cpu_start
        print(json.dumps([seconds * scale, cpu_seconds * scale]), flush=True)


def run_rounds(rounds: int, count: int) -> tuple[dict, dict, dict]:
    """Run all contenders in turn; return colours, seconds and CPU seconds by contender."""
    processes = {}
    for name in CONTENDERS:
        command = [sys.executable, __file__, "contend", name, str(count)]
        processes[name] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    values = {}
    for name, process in processes.items():
        values[name] = np.array(json.loads(process.stdout.readline()))
    times = {name: [] for name in CONTENDERS}
    cpu_times = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, process in processes.items():
            process.stdin.write("\n")
            process.stdin.flush()
            seconds, cpu_seconds = json.loads(process.stdout.readline())
            times[name].append(seconds)
            cpu_times[name].append(cpu_seconds)
    for process in processes.values():
        process.stdin.close()
        process.wait()
    return values, times, cpu_times


def compute_ratio(times: dict[str, list[float]], name: str, other: str) -> float:
    """Return the median of the ratios of two contenders, round by round."""
    return statistics.median(a / b for a, b in zip(times[name], times[other], strict=True))


def compare_with_digits(betas: np.ndarray) -> list[float]:
    """Return the largest errors of colour and gradient, relative if the value exceeds 1."""
    results = colours_and_slopes(betas, *BANDS)
    worst = [0.0, 0.0]
    for index, beta in enumerate(betas):
        for kind, exact in enumerate(colour_and_slope(beta, *BANDS)):
            error = abs(float(results[kind][index]) - float(exact)) / max(1.0, abs(float(exact)))
            worst[kind] = max(worst[kind], error)
    return worst


def main(rounds: int, count: int) -> None:
    """Print median times, ratios and differences."""
    values, times, cpu_times = run_rounds(rounds, count)
    cores = len(os.sched_getaffinity(0))
    print(f"{count:,} betas, {LAM.size} wavelengths, float64, {rounds} rounds, {cores} cores")
    for name, seconds in times.items():
        difference = np.abs(values[name] - values[COMPILED][:: get_stride(name)]).max()
        medians = f"{statistics.median(seconds):7.3f} s, {statistics.median(cpu_times[name]):7.3f}"
        ratio = compute_ratio(times, name, COMPILED)
        cpu_ratio = compute_ratio(cpu_times, name, COMPILED)
        print(
            f"{name:40s} {medians} s of CPU   Posterity takes 1/{ratio:.1f}, 1/{cpu_ratio:.1f}   "
            f"largest difference {difference:.0e}"
        )
    ratio = compute_ratio(times, GRADIENT, COMPILED)
    cpu_ratio = compute_ratio(cpu_times, GRADIENT, COMPILED)
    print(f"with the gradient: {ratio:.2f} times the value alone, {cpu_ratio:.2f} by CPU")

    betas = np.logspace(-2, 0, count)[:: max(1, count // 100)]
    colour, gradient = compare_with_digits(betas)
    print(f"against 50 digits, {len(betas)} betas (relative above 1):")
    print(f"colour {colour:.1e}, gradient {gradient:.1e}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["contend"]:
        serve_contender(sys.argv[2], int(sys.argv[3]))
    else:
        main(
            int(sys.argv[1]) if len(sys.argv) > 1 else 7,
            int(sys.argv[2]) if len(sys.argv) > 2 else 100_000,
        )
