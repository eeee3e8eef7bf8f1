"""Both sides had finished; a straggler drew a reset."""

from __future__ import annotations

import pandas as pd

from analyzer.causes.cause import Cause, Sign, all_of, any_of


def _last_fin(e: pd.DataFrame) -> pd.Series[bool]:
    """True where a side that had closed and gone away answers the other's FIN: nothing but that FIN was unacknowledged."""
    return all_of(
        e["sender_fin"], e["peer_fin"], e["answers_trigger"], e["trigger_kind"] == "fin", e["unacked_peer"] <= 1
    )


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
                              "acknowledged", lambda e: any_of(e["both_fins_acked"], _last_fin(e)), 20,
             source="RFC 9293 3.6; lab case late_reset", needed=True),
        Sign("nothing_outstanding", "no payload was outstanding", lambda e: all_of(e["unacked_sender"] == 0, any_of(e["unacked_peer"] == 0,
             _last_fin(e))), 3, -6,
             source="RFC 9293 3.6; lab case late_reset"),
    ),
    prior={"sender": 0},
    emitter={"sender": "kernel"},
    harmless=True,
    lookalikes={"data_after_close": "there, only one side had finished and the other side's data was lost"},
    references=(("RFC 9293 section 3.6", "closing a connection"),),
)  # fmt: skip
