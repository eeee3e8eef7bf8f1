"""How this package compiles its kernels: one decorator for every stage that has some.

Lives here: `compiled`, numba's `njit` without the interpreter lock and with its cache on disk; `at_hand`, which tells whether it was used.
Never here: a kernel. Kernels that call each other live in one file, because the cache does not notice a change in a
callee elsewhere; and each is always handed read-only input arrays, because a writable one would be compiled a second time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile `function` at its first call and keep the machine code for the next process.

    numba keeps it beside the module, else in the user's cache folder, else where NUMBA_CACHE_DIR says. Where none of them
    can be written (a package owned by root, run by a user without a home) numba raises; the kernel is then compiled anew by
    each process. A shared temporary folder would be no way out: who can write there could plant code.
    """
    try:
        return cast(Function, numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:
        return cast(Function, numba.njit(nogil=True)(function))


def at_hand(function: object) -> bool:
    """Whether machine code of a compiled function is on disk, so that its first call will not take seconds."""
    files = getattr(getattr(function, "_cache", None), "_cache_file", None)
    return os.path.exists(getattr(files, "_index_path", ""))
