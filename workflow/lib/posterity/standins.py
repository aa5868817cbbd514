"""What ArviZ leaves behind when it is imported, and what has to be undone."""

import sys


def drop() -> None:
    """
    Drop ArviZ's stand-ins for JAX and NumPyro from the modules. To be called after an import of ArviZ.

    Matplotlib, asking whether an array is JAX's, would turn the first into the real, slow import; with the second, a later
    `import numpyro` comes out incomplete.
    """
    for name, part in (("jax", "jaxlib"), ("numpyro", "numpyro.infer")):
        if part not in sys.modules:
            sys.modules.pop(name, None)
