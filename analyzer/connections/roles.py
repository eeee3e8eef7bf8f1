"""Who is the client of a connection whose SYN and SYN-ACK are not in the capture.

Lives here: the rule, and the ports that are known as service ports.
Never here: connections whose handshake was seen; their roles are facts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[Any]

SYSTEM_PORTS = 1024  # below: system ports (RFC 6335 6)
MANY_PEERS = 3  # a client's port seldom meets three peers in one capture; a service's does
# Registered and customary service ports above 1023: databases, brokers, caches, proxies, application servers.
SERVICE_PORTS = (
    1080, 1433, 1434, 1521, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3000, 3128, 3260, 3306, 3389, 3690, 4222, 4369, 5000, 5060, 5061,
    5222, 5269, 5432, 5433, 5601, 5671, 5672, 5900, 5984, 5985, 5986, 6379, 6380, 6432, 6443, 7000, 7001, 7077, 7474, 7687, 8000, 8008,
    8009, 8080, 8081, 8086, 8088, 8123, 8140, 8200, 8300, 8443, 8500, 8529, 8883, 8888, 9000, 9042, 9090, 9092, 9093, 9100, 9160, 9200,
    9300, 9418, 9443, 9999, 10000, 10250, 11211, 15672, 25565, 26257, 26379, 27017, 27018, 28015, 50000, 50051, 61613, 61616,
)  # fmt: skip


def client_ends(
    endpoint0: Array,
    port0: Array,
    endpoint1: Array,
    port1: Array,
    first_from: Array,
    known: Array,
    servers: Array | None = None,
) -> Array:
    """Which end is the client: `known` where it is 0 or 1, else guessed.

    The server is the endpoint that took part as the server of a connection whose handshake was seen, or that at least
    MANY_PEERS endpoints, and more than the other's, talk to; else the one on a service port; else the one on the lower
    port; else the one that did not send first.

    Parameters
    ----------
    endpoint0, endpoint1 : int64 arrays
        A number for each (address, port), the same for the same.
    port0, port1 : uint16 arrays
    first_from : int8 array
        End that sent the first packet.
    known : int8 array
        Client's end by handshake, -1 without.
    servers : int64 array, optional
        Endpoints that are known to be servers from connections that are not given.

    Returns
    -------
    int8 array of 0 and 1.
    """
    everything = np.concatenate([endpoint0, endpoint1])
    size = int(everything.max()) + 1 if len(everything) else 0
    pairs = pd.DataFrame({"endpoint": everything, "peer": np.concatenate([endpoint1, endpoint0])}).drop_duplicates()
    peers = np.bincount(pairs["endpoint"], minlength=size)
    served = np.zeros(size, bool)
    served[endpoint1[known == 0]] = True
    served[endpoint0[known == 1]] = True
    if servers is not None:
        served[servers] = True

    services = np.array(SERVICE_PORTS)
    service0 = (port0 < SYSTEM_PORTS) | np.isin(port0, services)
    service1 = (port1 < SYSTEM_PORTS) | np.isin(port1, services)
    peers0, peers1 = peers[endpoint0], peers[endpoint1]
    server0 = [  # (end 0 is the server, end 1 is the server), the strongest first
        (served[endpoint0], served[endpoint1]),
        ((peers0 >= MANY_PEERS) & (peers0 > peers1), (peers1 >= MANY_PEERS) & (peers1 > peers0)),
        (service0, service1),
        (port0 < port1, port1 < port0),
        (first_from == 1, first_from == 0),
    ]
    client = known.astype(np.int8).copy()
    for zero, one in server0:
        client[(client < 0) & zero & ~one] = 1
        client[(client < 0) & one & ~zero] = 0
    return client
