"""How this package compiles its kernels: numba once on each machine, and machine code from a file ever after.

Lives here: `compiled`, for what Python calls, and `callee`, for what kernels call; where the machine code is kept.
Never here: a kernel.

Loading numba and its own cache takes half a second, longer than most captures take to be read. A kernel takes arrays of declared
types and numbers, and returns a number or nothing, so that its machine code needs neither numba nor Python: it is kept in a
file, and llvmlite puts it into memory. Kernels and their callees live in one module, whose text and constants tell whether
the file is still right; `mix` and `fetch` stand here for all of them.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

Function = TypeVar("Function", bound=Callable[..., object])

CONSTANTS = (int, float, tuple, np.generic, np.ndarray, np.dtype)  # what a kernel takes from its module by value
DIGEST = 32  # bytes of SHA-256
CACHE_LINE = 64  # bytes
HASH = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits as good as random: 2**64 divided by the golden ratio

_CALLEES: dict[str, list[FunctionType]] = {}  # by module
_LOCK = threading.Lock()


def callee(function: Function) -> Function:
    """Let the kernels of this module call `function`; for Python it stays what it is."""
    _CALLEES.setdefault(function.__module__, []).append(cast(FunctionType, function))
    return function


def compiled(**arrays: npt.DTypeLike) -> Callable[[Function], Function]:
    """Make a function a kernel: compiled at its first call, without the interpreter lock, and kept for the next process.

    `arrays` are its array parameters with their dtypes, each of one dimension and without gaps; all others are whole numbers, and so
    is what it returns. A kernel allocates and raises nothing, and divides as numpy does.
    """

    def kernel(function: Function) -> Function:
        return cast(Function, _Kernel(cast(FunctionType, function), arrays))

    return kernel


@callee
def mix(h: Any, value: Any) -> Any:
    """In a kernel: stir one more number into a hash, which begins as HASH."""
    h = (h ^ np.uint64(value)) * HASH
    return h ^ (h >> np.uint64(29))


def fetch(rows: Any, row: Any) -> None:
    """In a kernel: have the processor bring a row into its cache, because it will soon be needed. Nothing depends on it."""


def at_hand(function: object) -> bool:
    """Whether machine code of a kernel is on disk, so that its first call will not take seconds."""
    return isinstance(function, _Kernel) and function.kept() is not None


class _Kernel:
    """One kernel; its machine code is found or made when it is first called."""

    def __init__(self, function: FunctionType, arrays: dict[str, npt.DTypeLike]) -> None:
        self.function, self.__doc__ = function, function.__doc__
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        self.types = [np.dtype(arrays[name]) if name in arrays else None for name in names]
        self.name = f"{function.__module__}.{function.__name__}"
        self._code: Callable[..., int] | None = None

    def __call__(self, *arguments: Any) -> int:
        flat = []
        for value, kind in zip(arguments, self.types, strict=True):
            if kind is None:
                flat.append(value)
            elif value.dtype == kind and value.ndim == 1 and value.flags.c_contiguous:
                flat += (value.ctypes.data, len(value))
            else:
                raise TypeError(f"{self.name} takes an array of {kind} without gaps, not of {value.dtype}")
        return (self._code or self._ready())(*flat)

    def _ready(self) -> Callable[..., int]:
        with _LOCK:
            if self._code is None:
                code = self.kept()
                if code is None:
                    code = _machine_code(self)
                    self._keep(code)
                kinds = [
                    k
                    for kind in self.types
                    for k in ((ctypes.c_int64,) if kind is None else (ctypes.c_void_p, ctypes.c_int64))
                ]
                self._code = ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(_address(self.name, code))
        return self._code

    def kept(self) -> bytes | None:
        """Return the machine code on disk, if it was made of the present text, for this machine, by this user or root."""
        for path in self._paths():
            try:
                with open(path, "rb") as file:
                    if hasattr(os, "geteuid") and os.fstat(file.fileno()).st_uid not in (0, os.geteuid()):
                        continue  # who runs this with another's home must not run the other's code
                    content = file.read()
            except OSError:
                continue
            if content[:DIGEST] == self._digest(content[DIGEST:]):
                return content[DIGEST:]
        return None

    def _keep(self, code: bytes) -> None:
        """Write the machine code where that is possible. Where it is not, each process compiles anew: a shared temporary folder
        would be no way out, since who can write there could plant code.
        """
        for path in self._paths():
            part = path.with_name(f"{path.name}.{os.getpid()}.part")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                part.write_bytes(self._digest(code) + code)
                os.replace(part, path)
            except OSError:
                continue
            return

    def _paths(self) -> Iterator[Path]:
        """Where the machine code may be: where NUMBA_CACHE_DIR says, else beside the module, else in the user's cache."""
        name = f"{self.name}-{_machine()}.o"
        if given := os.environ.get("NUMBA_CACHE_DIR"):
            yield Path(given) / name
            return
        yield Path(self.function.__code__.co_filename).parent / "__pycache__" / name
        with suppress(RuntimeError):  # of a user without a home
            yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pcapreport" / name

    def _digest(self, code: bytes) -> bytes:
        """Return the checksum of machine code and of all that it was made of."""
        return hashlib.sha256(
            _made_of(self.function.__module__) + repr((self.name, self.types)).encode() + code
        ).digest()


@cache
def _made_of(name: str) -> bytes:
    """Return what kernels of a module depend on: its text and its constants, wherever they come from, and how they are compiled."""
    module = sys.modules[name]
    constants = {k: v for k, v in sorted(vars(module).items()) if isinstance(v, CONSTANTS)}
    return _text(module) + _text(sys.modules[__name__]) + repr(constants).encode()


def _text(module: ModuleType) -> bytes:
    return Path(str(module.__file__)).read_bytes()


@cache
def _llvm() -> Any:
    """Return llvmlite's binding, ready for this machine."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


@cache
def _machine() -> str:
    """Return a short name of what machine code depends on: the compiler, the processor and what it can do."""
    import llvmlite

    llvm = _llvm()
    features = llvm.get_host_cpu_features().flatten()
    told = (llvmlite.__version__, llvm.get_process_triple(), llvm.get_host_cpu_name(), features)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:12]


def _target() -> Any:
    llvm = _llvm()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        codemodel="jitdefault",
        jit=True,
    )


@cache
def _engine() -> Any:
    """Return what holds the machine code of this process."""
    llvm = _llvm()
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())


def _address(name: str, code: bytes) -> int:
    """Put machine code into memory; return where it begins."""
    engine = _engine()
    engine.add_object_file(_llvm().ObjectFileRef.from_data(code))
    engine.finalize_object()
    return int(engine.get_function_address(name))


def _machine_code(kernel: _Kernel) -> bytes:
    """Compile a kernel with numba into an object file that needs nothing from outside."""
    import numba
    from numba.extending import register_jitable
    from numba.np.numpy_support import carray

    _teach_fetch()
    for module in (__name__, kernel.function.__module__):
        for function in _CALLEES.pop(module, ()):
            register_jitable(error_model="numpy")(function)
    scope: dict[str, Any] = {
        "carray": carray,
        "kernel": numba.njit(error_model="numpy")(kernel.function),
    }
    parameters: list[str] = []
    passed: list[str] = []
    for i, kind in enumerate(kernel.types):
        if kind is None:
            parameters.append(f"a{i}")
            passed.append(f"a{i}")
        else:
            parameters += (f"a{i}", f"n{i}")
            passed.append(f"carray(a{i}, n{i}, t{i})")
            scope[f"t{i}"] = kind
    types = [
        t for kind in kernel.types for t in ((numba.int64,) if kind is None else (numba.types.voidptr, numba.int64))
    ]
    call = f"kernel({', '.join(passed)})"
    body = f"return {call}" if kernel.function.__annotations__["return"] in (int, "int") else f"{call}; return 0"
    exec(f"def entry({', '.join(parameters)}): {body}", scope)
    return _freestanding(kernel.name, numba.cfunc(numba.int64(*types), error_model="numpy")(scope["entry"]))


@cache
def _teach_fetch() -> None:
    """Tell numba what `fetch` is: LLVM's prefetch instruction for each cache line of the row."""
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic, overload

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, number, place = signature.args[0], ir.IntType(32), ir.IntType(8).as_pointer()
        rows = context.make_array(kind)(context, builder, arguments[0])
        begin = cgutils.get_item_pointer(context, builder, kind, rows, [arguments[1]])  # type: ignore[no-untyped-call]
        takes = ir.FunctionType(ir.VoidType(), [place, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [place], takes)
        for offset in range(0, context.get_abi_sizeof(context.get_data_type(kind.dtype)), CACHE_LINE):
            line = builder.gep(builder.bitcast(begin, place), [number(offset)])
            builder.call(prefetch, [line, number(0), number(3), number(1)])  # to read, into all levels, data
        return context.get_dummy_value()

    @intrinsic
    def fetched(typing: Any, rows: Any, row: Any) -> Any:
        return types.void(rows, row), code

    overload(fetch)(lambda rows, row: lambda rows, row: fetched(rows, row))  # type: ignore[call-arg]


def _freestanding(name: str, made: Any) -> bytes:
    """Return the object file of one function with all that it calls within it.

    With nothing visible but the function itself, the optimiser sees that no callee fails, and drops numba's ways of raising.
    """
    llvm = _llvm()
    module = llvm.parse_assembly(made.inspect_llvm())
    for part in (*module.functions, *module.global_variables):
        if part.name == made.native_name:
            part.name = name
        elif not part.is_declaration:
            part.linkage = "internal"
    target = _target()
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=3))
    builder.getModulePassManager().run(module, builder)
    outside = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    if outside:
        raise AssertionError(f"{name} needs {', '.join(outside)}: a kernel allocates and raises nothing")
    return bytes(target.emit_object(module))
