"""Clients speak the wrong protocol: HTTP to a TLS port, and TLS to an HTTP port.

curl sends a plain request to stunnel's TLS port. stunnel reads the first bytes, finds no TLS record and closes with the
rest unread: its kernel resets. Another curl begins a TLS handshake with HAProxy's plain port and is answered in HTTP:
it reads the first bytes of that, finds no TLS record either, and its kernel resets. Requests that suit the port work.
"""

import subprocess
import time

from captures.lab import servers
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab

PROGRAMS = ("haproxy", "stunnel", "curl")
CONFIGURATION = """
defaults
  mode http
  option httplog
  log global
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend plain
  bind :80
  http-request return status 200 content-type text/plain string "stored"
"""


def play(lab: Lab) -> None:
    servers.haproxy(lab, "server", CONFIGURATION, 80)
    servers.stunnel(lab, "server", connect="127.0.0.1:80")
    lab.listen()
    with lab.client:
        with servers.with_tls(lab.connect(443)) as suitable:
            suitable.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
            while suitable.recv(1000):
                pass
        for url in ("http://{}:443/", "http://{}:443/upload", "https://{}:80/", "http://{}/"):
            curl = ["curl", "--silent", "--insecure", "--max-time", "5", url.format(lab.server_address)]
            if url.endswith("upload"):
                curl += ["--data", "x" * 3000]
            subprocess.run(curl, stdout=subprocess.DEVNULL)
            time.sleep(0.4)
    for port, side, line in (
        (443, "server", TiedLine("stunnel.log", "http request")),
        (80, "client", TiedLine("haproxy.log", "<BADREQ>")),
    ):
        lab.expect_rest(
            port=port,
            reset_by=side,
            cause="protocol_mismatch",
            may_be=("unread_data_at_close", "tls_failure"),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
            log_lines=(line,),
        )
