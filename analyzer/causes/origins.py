"""Who put the reset on the wire, whatever the mechanism: the signs that every hypothesis of an origin shares.

Lives here: the signs of each origin, weighed as the odds between them. Never here: mechanisms (one file per cause).

Equal TTL is no sign for the endpoint: a device can copy it. A missing stamp is no sign for a device: Linux itself answers a
connection it does not know with IP ID 0, window 0 and no timestamps (tcp_v4_send_reset), and Windows resets without options.
"""

from __future__ import annotations

import pandas as pd

from analyzer.causes.cause import Origin, Sign, all_of, any_of, known

# A capture at the host itself, or at both ends with complete cover, is proof; the weight is beyond every cap.
PROOF = 60

# Seconds for which a device remembers a closed connection, by the shortest default that a vendor documents. Until then it passes on what
# follows, and the answer comes from the host that closed. After one FIN (netfilter 60 s, Palo Alto and FortiGate 120 s, Cisco ASA 600 s) the
# limit is Palo Alto's shorter one for both, since the other FIN may be missing in the capture; after both, FortiGate's `tcp-timewait-timer`.
FORGOTTEN_AFTER_FIN = 15.0
FORGOTTEN_AFTER_BOTH = 1.0


def _left_its_host(e: pd.DataFrame) -> pd.Series[bool]:
    """True where the capture on the apparent sender's own host shows the reset going out; False where it stands to be seen and is not."""
    here = all_of(
        e["captured_at"] == "sender", ~e["incoming_copy"].fillna(False), (e["direction"] != "in").fillna(True)
    ).fillna(False)
    there = e["at_sender"].fillna(False)
    return known(any_of(here, there), any_of(here, there, e["absent_at_sender"].fillna(False)))


def _started_at_router(e: pd.DataFrame) -> pd.Series[bool]:
    """True where the capturing machine made the reset although that end's own segments come in from elsewhere."""
    went_out = all_of(e["direction"] == "out", ~e["incoming_copy"], ~e["sender_is_local"])
    return all_of(any_of(went_out, e["built_here"]), e["captured_at"] != "sender")


def _ttl_far(e: pd.DataFrame) -> pd.Series[bool]:
    return e["ttl_delta"].abs() >= 2


def _ttl_near(e: pd.DataFrame) -> pd.Series[bool]:
    return e["ttl_delta"] == 1


def _stamps_missing(e: pd.DataFrame) -> pd.Series[bool]:
    """RST+ACK at snd_nxt, as if from the socket, without that socket's stamps or clock: neither a Linux reply nor a live Linux socket."""
    form = all_of(e["has_ack"], e["seq_delta"] == 0, ~e["answers_trigger"].fillna(False))
    stamps = any_of(all_of(e["timestamps_negotiated"], ~e["has_timestamps"]), ~e["timestamp_continues"])
    broken = any_of(stamps, all_of(e["ip_id_counts"], ~e["ip_id_continues"]))
    return all_of(form, broken)


def _closed_just_before(e: pd.DataFrame) -> pd.Series[bool]:
    """True where that end's own FIN preceded, so shortly that no device forgets the connection by its documented default."""
    soon = all_of(~e["peer_fin"], e["since_sender_fin"] < FORGOTTEN_AFTER_FIN)
    return all_of(e["sender_fin"], any_of(soon, e["since_sender_fin"] < FORGOTTEN_AFTER_BOTH))


def _traced(e: pd.DataFrame) -> pd.Series[bool]:
    """True where the kernel of the host with that address sent it; unknown where the frame comes from elsewhere than that end's others:
    an address that a router lends to its clients is the router's as well."""
    return known(e["kernel_sent"], (e["ttl_delta"].abs() < 2).fillna(True))


def _on_loopback(e: pd.DataFrame) -> pd.Series[bool]:
    """True where the reset never crossed a wire: it stands on the loopback interface of the host that received it."""
    return known(e["loopback"], e["loopback"].notna())


_LOOP = "it stands on the loopback interface of {peer}: it never crossed a wire"
_TRACED = "the kernel of {sender} says in its trace that it sent this reset"
_LEFT = "the reset leaves the host whose address it carries ({sender})"
_ROUTER = (
    "the capturing machine made it: it goes out without having come in, or its checksum is not finished, "
    "unlike the segments of {sender}"
)
_TTL = "its TTL {ttl} is {ttl_delta:+d} from the usual {ttl_usual} of {sender}"
_FAST = "it came {trigger_delay} after the packet it answers; the way to {sender} and back takes {rtt_usual}"
_AFTER = "genuine payload of {sender} followed its supposed reset"
_LIVE = "it carries the marks of the live socket of {sender}: next sequence number, open window, continuing timestamps or IP ID"
_CLOSED = "{sender} had itself closed, {since_sender_fin} before: no device whose default timers are documented forgets a closed connection that soon"
_STAMPS = (
    "it poses as the socket's own reset, but its timestamp is missing or stands still, or it breaks the count of IP IDs"
)
_BOTH = "both ends received a reset within two seconds, neither as an answer to the other"
_BURST = "{burst} resets with different sequence numbers, none of them an answer to a packet of its own"
_ABSENT = "it is missing at a capture point on the host of {sender} that shows this connection around the moment"

ORIGIN_SIGNS: dict[Origin, tuple[Sign, ...]] = {
    "sender": (
        Sign("left_its_host", _LEFT, _left_its_host, PROOF // 2, -PROOF // 2,
             source="lab cases stale_pool, postgres_client_abort (both ends)", group="place"),
        Sign("kernel_sent", _TRACED, _traced, PROOF // 2, 0,
             source="Linux tracepoint tcp:tcp_send_reset; the lab's own witness", group="place", cites_logs=True, log_events=("reset_sent",)),
        Sign("live_socket", _LIVE, lambda e: e["live_socket"], 10, 0, source="Linux tcp_send_active_reset"),
        Sign("closed_just_before", _CLOSED, _closed_just_before, 6, 0,
             source="nf_conntrack close_wait 60 s; Palo Alto TCP time wait 15 s; FortiOS tcp-timewait-timer 1 s",
             plain="{sender} had itself closed just before, more shortly than the devices whose default timers are documented remember"),
        Sign("data_after_reset", _AFTER, lambda e: e["data_after_reset"], -10, 0, source="RST_SEQ_DATA (Weaver et al. 2009)"),
        Sign("stamps_missing", _STAMPS, _stamps_missing, -4, 0,
             source="Linux tcp_send_active_reset carries the socket's options; lab case forged_reset"),
    ),
    "path": (
        Sign("absent_at_sender", _ABSENT, lambda e: known(e["absent_at_sender"], e["absent_at_sender"]),
             PROOF // 2, 0, source="lab case stale_pool (both ends)", group="place"),
        Sign("left_its_host", _LEFT, _left_its_host, -PROOF // 2, 0,
             source="lab cases stale_pool, postgres_client_abort (both ends)", group="place"),
        Sign("kernel_sent", _TRACED, _traced, -PROOF // 2, 0,
             source="Linux tracepoint tcp:tcp_send_reset; the lab's own witness", group="place", cites_logs=True, log_events=("reset_sent",)),
        Sign("started_here", _ROUTER, _started_at_router, PROOF, 0, source="lab case stale_pool_any", group="place"),
        Sign("ttl_differs", _TTL, _ttl_far, 14, 0, source="Clayton, Murdoch, Watson 2006; lab case forged_reset", group="ttl",
             plain="its TTL is two or more from the usual one of {sender}"),
        Sign("ttl_one_fresher", _TTL, _ttl_near, 3, 0,
             source="lab case stale_pool_same_ttl: also a NAT host or a second look of the router", group="ttl",
             plain="its TTL is one more than the usual one of {sender}"),
        Sign("too_fast", _FAST, lambda e: e["too_fast"], 12, 0, source="lab case forged_too_fast", cites=("trigger_frame", "frame"),
             plain="it came sooner after the packet it answers than {sender} could have answered"),
        Sign("data_after_reset", _AFTER, lambda e: e["data_after_reset"], 10, 0, source="RST_SEQ_DATA (Weaver et al. 2009)"),
        Sign("live_socket", _LIVE, lambda e: e["live_socket"], -10, 0, source="Linux tcp_send_active_reset"),
        Sign("stamps_missing", _STAMPS, _stamps_missing, 8, 0,
             source="Linux tcp_send_active_reset carries the socket's options; lab case forged_reset"),
        Sign("both_ends_reset", _BOTH, lambda e: e["both_ends_reset"], 6, 0,
             source="lab case forged_both_ends", cites=("frame", "other_reset_frame")),
        Sign("stepped_burst", _BURST, lambda e: e["burst"] >= 2, 8, 0, source="RST_SEQ_CHANGE (Weaver, Sommer, Paxson 2009)",
             plain="resets with different sequence numbers, none of them an answer to a packet of its own"),
    ),
    "peer": (
        Sign("on_loopback", _LOOP, _on_loopback, PROOF // 2, -20,
             source="REJECT in netfilter's OUTPUT chain; lab case own_firewall_reject", group="place"),
        Sign("kernel_sent", _TRACED, _traced, -PROOF // 2, 0,
             source="Linux tracepoint tcp:tcp_send_reset; the lab's own witness", group="place", cites_logs=True, log_events=("reset_sent",)),
        Sign("left_its_host", _LEFT, _left_its_host, -PROOF // 2, 0,
             source="lab cases stale_pool, postgres_client_abort (both ends)", group="place"),
        Sign("live_socket", _LIVE, lambda e: e["live_socket"], -10, 0, source="Linux tcp_send_active_reset"),
    ),
    "none": (),
}  # fmt: skip
