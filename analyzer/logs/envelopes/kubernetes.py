"""Kubernetes: the files that its container runtimes write (containerd, CRI-O), with partial lines.

Lives here: the envelope.
"""

from __future__ import annotations

import re

from analyzer.logs.envelope import Envelope, Peeled, Wrapped

_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) (?P<stream>stdout|stderr) (?P<tag>[PF])(?::\S{0,40})?(?: (?P<inside>.*))?",
    re.DOTALL,
)


def peel(text: str) -> Peeled | None:
    """Take the line out of `2024-05-01T12:00:00.1Z stderr F line`; `P` marks a piece that goes on."""
    found = _LINE.match(text)
    if found is None:
        return None
    return Peeled(found["inside"] or "", found["time"], stream=found["stream"], partial=found["tag"] == "P")


ENVELOPE = Envelope(
    id="kubernetes",
    title="Kubernetes: logs of the container runtime (CRI)",
    reference="https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md",
    peel=peel,
    samples=(
        Wrapped(
            "2024-05-01T12:00:00.123456789Z stderr F 2024/05/01 12:00:00 write: broken pipe",
            Peeled("2024/05/01 12:00:00 write: broken pipe", "2024-05-01T12:00:00.123456789Z", stream="stderr"),
        ),
        Wrapped(
            "2024-05-01T21:00:00.1+09:00 stdout P read tcp 10.0.0.1:43040->10.0.0.2:9101: read: conn",
            Peeled(
                "read tcp 10.0.0.1:43040->10.0.0.2:9101: read: conn",
                "2024-05-01T21:00:00.1+09:00",
                stream="stdout",
                partial=True,
            ),
        ),
    ),
)
