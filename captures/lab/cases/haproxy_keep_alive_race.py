"""A request crosses HAProxy's goodbye on the wire.

The twin of nginx_keep_alive_race with HAProxy, whose timeout http-keep-alive is 2 s.
"""

import time

from captures.lab.cases import nginx_keep_alive_race
from captures.lab.lab import Lab, installed

PROGRAMS = ("haproxy",)
NETWORK = nginx_keep_alive_race.NETWORK
CONFIGURATION = """
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout http-keep-alive 2s
frontend shop
  bind :80
  http-request return status 200 content-type text/plain string "stored"
"""


def play(lab: Lab) -> None:
    configuration = lab.scratch / "haproxy.cfg"
    configuration.write_text(CONFIGURATION)
    lab.software.append(installed("haproxy", "-v").split(" - ")[0].split("-")[0])
    lab.server.spawn("haproxy", "-q", "-db", "-f", str(configuration))
    time.sleep(1.0)
    lab.listen()
    nginx_keep_alive_race.race(lab)
