"""A request crosses Node's goodbye on the wire.

The twin of nginx_keep_alive_race with a Node server, whose keepAliveTimeout is shortened from its 5 s to 2 s; recent
versions wait a second longer than they say.
"""

import time

from captures.lab.cases import nginx_keep_alive_race
from captures.lab.lab import Lab, installed

PROGRAMS = ("node",)
NETWORK = nginx_keep_alive_race.NETWORK
SERVER = """
const server = require('http').createServer((request, response) => response.end('stored\\n'));
server.keepAliveTimeout = 2000;
server.listen(80);
"""


def play(lab: Lab) -> None:
    lab.software.append(f"Node {installed('node', '--version')}")
    lab.server.spawn("node", "-e", SERVER)
    time.sleep(1.5)
    lab.listen()
    nginx_keep_alive_race.race(lab)
