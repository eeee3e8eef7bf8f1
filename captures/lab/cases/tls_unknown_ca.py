"""Clients do not trust the server's certificate: a TLS alert, then a reset.

HAProxy takes TLS off with a certificate that nobody has signed. Each client stops reading in the middle of the
server's handshake messages, sends the alert "unknown ca" and closes: the kernel finds the rest unread and resets. A
client that speaks only TLS 1.1 is told so and closes in order; one that trusts the certificate is served.
"""

import ssl
import time

from captures.lab import servers
from captures.lab.case_file import TiedLine
from captures.lab.lab import Lab, addresses

PROGRAMS = ("haproxy",)
CONFIGURATION = """
defaults
  mode http
  option httplog
  log global
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend shop
  bind :443 ssl crt {certificate}
  http-request return status 200 content-type text/plain string "stored"
"""


def play(lab: Lab) -> None:
    certificate = servers.certificate(lab, "shop")
    servers.haproxy(lab, "server", CONFIGURATION.format(certificate=certificate), 443)
    log = lab.client_log("shop.delivery")
    lab.listen()
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        client = lab.connect(443)
        name = addresses(client)[0]
        lab.expect(
            client,
            reset_by="client",
            cause="tls_failure",
            may_be=("unread_data_at_close",),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
            log_lines=(TiedLine("haproxy.log", f"{name} ["),),
        )
        context = ssl.create_default_context()
        context.minimum_version = context.maximum_version = version
        try:
            context.wrap_socket(client, server_hostname="shop")
        except ssl.SSLError:
            log.exception("no delivery")
        client.close()
        time.sleep(0.4)
    old = lab.connect(443)
    lab.expect(old, ending="closed")
    context = ssl.create_default_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    try:
        context.wrap_socket(old, server_hostname="shop")
    except ssl.SSLError:
        log.exception("no delivery")
    old.close()
    time.sleep(0.4)
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    with context.wrap_socket(lab.connect(443)) as trusting:
        trusting.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
        while trusting.recv(1000):
            pass
    time.sleep(0.3)
