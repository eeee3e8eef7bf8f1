"""What no other cause explains: the answer when the signs fit nothing."""

from analyzer.causes.cause import Cause, Sign, all_of

CAUSE = Cause(
    id="unexplained",
    title="unexplained: the signs fit no known cause",
    origins=("sender", "path", "none"),
    kinds=("reset", "silence", "fin_midway", "log_only"),
    mechanism="None of the known mechanisms fits what the capture shows. That is a finding too: the capture may lack the decisive packets.",
    remedy="Take the capture named below, at the host whose address the reset carries, with the handshake and the minutes before the reset.",
    confirm="The tracepoint tcp:tcp_send_reset on the host in question names the kernel's own reason.",
    signs=(Sign("always", "no other cause fits better", lambda e: all_of(e["ending"].notna()), 0, source="definition"),),
    prior={"sender": -4, "path": -8, "none": -4},
    emitter={"sender": "unknown", "path": "device", "none": "unknown"},
    lookalikes={},
    references=(("RFC 9293 section 3.5.2", "reset generation"),),
)  # fmt: skip
