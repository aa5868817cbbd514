"""
Colours of black bodies: pure Python, NumPy, the page's JAX (vmap without jit), and Posterity's compiled functions, side by side.

Run in the project's environment, from its folder: python benchmarks/colour.py [rounds] [betas]
All in float64, on the same arrays, each contender in a process of its own, as one leaves gigabytes behind that cost the next one
time; they are asked in turn, and ratios are taken round by round. The loops stand as the page has them, with its names. The time
of the CPU is that of all threads, and depends less on what else runs. Agreement is with 50 digits, by the decimal module.
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
SHARE = 500  # pure Python gets one beta in so many


def by_python(betas):
    """The page's "bad way", on plain floats."""
    lam, g_fil, r_fil = LAM.tolist(), G.tolist(), R.tolist()
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
    """The page's "better way"."""
    out_numpy = np.zeros(len(betas))
    for i in range(len(betas)):
        beta = betas[i]
        bb_spec = 1 / LAM**2 * (np.exp(1 / LAM / beta) - 1) ** -1
        g_flux = (G * bb_spec).sum()
        r_flux = (R * bb_spec).sum()
        out_numpy[i] = np.log10(g_flux / r_flux)
    return out_numpy


LAM_forjax, g_fil_forjax, r_fil_forjax = (jnp.array(one) for one in BANDS)


def jax_function(beta):
    """The page's "fastest way"."""
    bb_spec = 1 / LAM_forjax**2 * (jnp.exp(1 / LAM_forjax / beta) - 1) ** -1
    g_flux = jnp.sum(g_fil_forjax * bb_spec)
    r_flux = jnp.sum(r_fil_forjax * bb_spec)
    return jnp.log10(g_flux / r_flux)


jax_vectorized_function = jax.vmap(jax_function)

CONTENDERS = {
    "pure Python": by_python,
    "NumPy, in a loop": by_numpy,
    "the page's JAX (vmap, not compiled)": lambda betas: jax_vectorized_function(jnp.array(betas)),
    "Posterity, compiled": lambda betas: colours(betas, *BANDS),
    "Posterity, with the gradient": lambda betas: colours_and_slopes(betas, *BANDS),
}


def contend(name: str, count: int) -> None:
    """Run one contender whenever a line comes in: print its seconds, those of the CPU, and, the first time, its colours."""
    betas, run = (
        np.logspace(-2, 0, count)[:: SHARE if name == "pure Python" else 1],
        CONTENDERS[name],
    )
    found = jax.block_until_ready(run(betas))  # compiles
    print(
        json.dumps(np.asarray(found[0] if isinstance(found, tuple) else found).tolist()), flush=True
    )
    for _ in sys.stdin:
        before, busy = time.perf_counter(), time.process_time()
        jax.block_until_ready(run(betas))
        took = (
            np.array([time.perf_counter() - before, time.process_time() - busy])
            * count
            / len(betas)
        )
        print(json.dumps(took.tolist()), flush=True)


def main(rounds: int, count: int) -> None:
    """Print median times, and the medians of ratios, round by round."""
    betas = np.logspace(-2, 0, count)
    times, cpu = ({name: [] for name in CONTENDERS} for _ in range(2))
    command = [sys.executable, __file__, "contend"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = {name: subprocess.Popen([*command, name, str(count)], **pipes) for name in CONTENDERS}
    values = {
        name: np.array(json.loads(process.stdout.readline())) for name, process in running.items()
    }
    for _ in range(rounds):
        for name, process in running.items():
            process.stdin.write("\n")
            process.stdin.flush()
            took, busy = json.loads(process.stdout.readline())
            times[name].append(took)
            cpu[name].append(busy)
    for process in running.values():
        process.stdin.close()
        process.wait()

    def ratio(name, to, times=times):
        return statistics.median(a / b for a, b in zip(times[name], times[to], strict=True))

    ours = "Posterity, compiled"
    print(
        f"{count:,} betas, {LAM.size} wavelengths, float64, {rounds} rounds, {len(os.sched_getaffinity(0))} cores"
    )
    for name, taken in times.items():
        off = np.abs(values[name] - values[ours][:: SHARE if name == "pure Python" else 1]).max()
        print(
            f"{name:36s} {statistics.median(taken):7.3f} s, {statistics.median(cpu[name]):7.3f} s of CPU   "
            f"Posterity takes 1/{ratio(name, ours):.1f}, 1/{ratio(name, ours, cpu):.1f}   largest difference {off:.0e}"
        )
    more = [ratio("Posterity, with the gradient", ours, of) for of in (times, cpu)]
    print(f"with the gradient: {more[0]:.2f} times the value alone, {more[1]:.2f} by CPU")

    chosen = betas[:: max(1, count // 100)]
    found = colours_and_slopes(chosen, *BANDS)
    worst = [0.0, 0.0]
    for place, beta in enumerate(chosen):
        for kind, right in enumerate(colour_and_slope(beta, *BANDS)):
            error = abs(float(found[kind][place]) - float(right)) / max(1.0, abs(float(right)))
            worst[kind] = max(worst[kind], error)
    print(
        f"against 50 digits, {len(chosen)} betas: colour {worst[0]:.1e}, gradient {worst[1]:.1e} (relative above 1)"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["contend"]:
        contend(sys.argv[2], int(sys.argv[3]))
    else:
        main(
            int(sys.argv[1]) if len(sys.argv) > 1 else 7,
            int(sys.argv[2]) if len(sys.argv) > 2 else 100_000,
        )
