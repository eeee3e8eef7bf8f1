"""Run notebooks from top to bottom in a real Jupyter kernel of this Python: `python -m tools.notebooks` writes their outputs anew.

Lives here: `executed`, which the tests use, too. What is not the same on every run (times, versions, ids) is left out.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
TIMEOUT = 600  # seconds for one cell
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


class ThisPython(KernelSpecManager):
    """The kernel is the Python that runs this, whatever others are installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name=KERNEL["display_name"], language="python")


def executed(path: Path) -> Any:
    """The notebook with the outputs of a fresh run. Raises nbclient's CellExecutionError where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.metadata.clear()
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    kernel = AsyncKernelManager(kernel_name=KERNEL["name"], kernel_spec_manager=ThisPython())
    where = {"metadata": {"path": str(path.parent)}}
    with tempfile.TemporaryDirectory() as folder:
        if os.name == "posix":  # sockets that nobody else can listen on
            kernel.transport, kernel.ip = "ipc", os.path.join(folder, "kernel")
        client = NotebookClient(notebook, km=kernel, resources=where, timeout=TIMEOUT, record_timing=False)
        client.execute(cleanup_kc=True)
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    return notebook


def main() -> None:
    for path in NOTEBOOKS:
        nbformat.write(executed(path), path)
        print(path.name)


if __name__ == "__main__":
    main()
