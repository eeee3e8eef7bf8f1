"""Large segments vanish on the way while small ones arrive."""

from analyzer.causes.cause import Cause, Sign, all_of, any_of, connected, known

CAUSE = Cause(
    id="path_mtu_black_hole",
    title="path MTU black hole: large packets vanish, small ones pass",
    origins=("none",),
    kinds=("silence",),
    mechanism=(
        "A link on the path carries smaller packets than the two ends agreed on (tunnel, VPN, PPPoE, overlay network), and the ICMP message that "
        "would say so (type 3 code 4, or ICMPv6 Packet Too Big) is filtered, on its way or at the sender's own host. Handshake and "
        "small requests work; the first full segment is repeated until its sender gives up (RFC 2923 2.1). Linux then sends no reset."
    ),
    remedy=(
        "Let the ICMP messages through, also in the sender's own packet filter. Or clamp the MSS where the small link begins "
        "(`iptables -t mangle … -j TCPMSS --clamp-mss-to-pmtu`), or lower the interface's MTU. On Linux hosts "
        "`net.ipv4.tcp_mtu_probing=1` finds a size that passes (RFC 4821). Retries and keepalives do not help: small packets were never the trouble."
    ),
    confirm="`ping -M do -s 1472 HOST` fails while `ping -M do -s 1200 HOST` works; `tracepath HOST` shows where the size drops.",
    signs=(
        Sign("large_lost", "segments of {lost_segment} bytes were repeated in vain; the largest that arrived had {largest_delivered} bytes",
             lambda e: all_of(e["lost_segment"] >= 500, e["lost_segment"] > e["largest_delivered"].fillna(0), connected(e)), 14, -14,
             source="RFC 2923 2.1; lab case path_mtu_black_hole",
             needed=True,
             plain="large segments were repeated in vain, and only smaller ones arrived"),
        Sign("full_size", "they were full-sized", lambda e: e["lost_segment"] >= 1000, 3, -4, source="RFC 2923 2.1; lab case path_mtu_black_hole"),
        Sign("told_size", "{icmp_from} said by ICMP that packets may have {icmp_mtu} bytes at most, and {sender} went on repeating a larger one",
             lambda e: e["icmp_ignored"], 8, -6, source="RFC 1191 3; lab case path_mtu_black_hole_ignored", cites=("icmp_frame", "frame"),
             plain="an ICMP error said how large packets may be, and {sender} went on repeating a larger one"),
        Sign("told_otherwise", "an ICMP error of {icmp_from} gives another reason: {icmp_error}",
             lambda e: known(e["icmp_error"] != "fragmentation needed", e["icmp_error"].notna()), -12, 0,
             source="RFC 1812 5.2.7.1; lab case firewall_reject_icmp", cites=("icmp_frame",),
             plain="an ICMP error gives another reason"),
        Sign("small_pass", "the other end went on to be heard meanwhile", lambda e: e["heard_since_loss"], 5, -2,
             source="RFC 2923 2.1; lab case path_mtu_black_hole"),
        Sign("connected", "the handshake had worked", lambda e: any_of(e["handshake"], e["largest_delivered"] > 0), 2, -4,
             source="RFC 9293 3.8.3; lab case path_lost"),
    ),
    prior={"none": -2},
    emitter={"none": "unknown"},
    lookalikes={
        "retransmission_timeout": "there nothing arrives any more, whatever its size",
        "accept_queue_overflow": "there the server repeats its SYN-ACK",
    },
    references=(("RFC 2923 section 2.1", "black hole detection"), ("RFC 4821", "packetization layer path MTU discovery"),
                ("Linux ip-sysctl", "tcp_mtu_probing")),
)  # fmt: skip
