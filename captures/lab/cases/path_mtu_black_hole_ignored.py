"""Large packets vanish on a narrower link; the router says so, and the client's own firewall throws its words away.

The twin of path_mtu_black_hole: the ICMP message ("fragmentation needed", 1400 bytes) arrives at the client's host and is dropped there
by a rule against all ICMP. The upload in full-size packets is repeated in vain until the client gives up.
"""

from captures.lab.cases import path_mtu_black_hole
from captures.lab.lab import Lab


def play(lab: Lab) -> None:
    lab.client.iptables("-A INPUT -p icmp -j DROP")
    lab.router.run("ip", "link", "set", "toserver", "mtu", "1400")
    path_mtu_black_hole.upload(lab)
