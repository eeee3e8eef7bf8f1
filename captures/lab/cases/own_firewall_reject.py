"""The client's own firewall rejects what its programs send to one port.

The request never leaves the host: the reset stands on the loopback interface only, in the server's name. The client
is therefore captured on every interface. No other capture shows anything, and the kernel's trace is silent.
"""

from captures.lab.case_file import Claim
from captures.lab.cases import firewall_reject
from captures.lab.lab import Lab

EVERY_INTERFACE = "exec tcpdump -i any -Z root -w client.pcap"


def play(lab: Lab) -> None:
    firewall_reject.try_the_replica(lab, lab.client, "OUTPUT", client=EVERY_INTERFACE)
    lab.expect_rest(
        port=5433,
        reset_by="client",
        cause="firewall_reject",
        decidable_at=("client", "both"),
        must_not=(Claim(reset_by="server"), Claim(reset_by="middlebox")),
        log_lines=firewall_reject.CLIENT_LINES,
    )
