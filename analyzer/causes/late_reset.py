"""Both sides had finished; a straggler drew a reset."""

from analyzer.causes.cause import Cause, Sign, all_of

CAUSE = Cause(
    id="late_reset",
    title="late reset: both sides had already finished",
    origins=("sender",),
    mechanism=(
        "Both FINs had been acknowledged; all payload was delivered. A late packet, an application that closes again, or a stack that prefers a "
        "reset to TIME_WAIT then sends RST (RFC 9293 3.6). No program notices it."
    ),
    remedy="Nothing: this reset ended nothing. Look for the reason of an error elsewhere.",
    confirm="Both programs finished without an error; the FINs and their acknowledgements are in the capture.",
    signs=(
        Sign("both_finished", "both sides had sent FIN and both were "
                              "acknowledged", lambda e: e["both_fins_acked"], 20, source="CAUSE-30", needed=True),
        Sign("nothing_outstanding", "no payload was outstanding", lambda e: all_of(e["unacked_sender"] == 0, e["unacked_peer"] == 0), 3, -6,
             source="CAUSE-30"),
    ),
    prior={"sender": 0},
    emitter={"sender": "kernel"},
    harmless=True,
    lookalikes={"data_after_close": "there, only one side had finished and the other side's data was lost"},
    references=(("RFC 9293 section 3.6", "closing a connection"),),
)  # fmt: skip
