"""nginx refuses a large upload and stops listening to it.

A client announces 1 MB where 1 kB is allowed and goes on sending after the answer 413. nginx drains the body for a
second, as its lingering_time says, and closes while more of it lies unread in its socket: the kernel resets. A small
upload before it ends well.
"""

import os
import time
from contextlib import suppress

from captures.lab.case_file import TiedLine
from captures.lab.lab import ZONE, Lab, installed

PROGRAMS = ("nginx",)
CONFIGURATION = """
daemon off; user www-data; worker_processes 1; pid {folder}/nginx.pid; error_log {errors} error;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}; client_max_body_size 1k; lingering_time 1s;
  server {{ listen 80; location / {{ return 200 "stored\\n"; }} location /upload {{ proxy_pass http://127.0.0.1:9; }} }}
}}
"""
REQUEST = "POST {path} HTTP/1.1\r\nHost: files\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"


def play(lab: Lab) -> None:
    folder = lab.scratch / "nginx"
    folder.mkdir()
    errors = lab.log("nginx_error.log", "nginx", "server")
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, errors=errors))
    lab.software.append(installed("nginx", "-v").removeprefix("nginx version: "))
    lab.server.spawn("nginx", "-c", str(configuration), "-e", str(errors), env=os.environ | {"TZ": ZONE})
    time.sleep(1.0)
    lab.listen()
    with lab.connect(80) as small:
        small.sendall(REQUEST.format(path="/", size=500).encode() + b"x" * 500)
        while small.recv(4096):
            pass
    with lab.connect(80) as large:
        lab.expect(
            large,
            reset_by="server",
            cause="unread_data_at_close",
            may_be=("protocol_error",),
            harmless=False,
            decidable_at=("client", "router", "server", "both"),
            log_lines=(TiedLine("nginx_error.log", "client intended to send too large body"),),
        )
        with suppress(ConnectionError):
            large.sendall(REQUEST.format(path="/upload", size=1_000_000).encode())
            for _ in range(1000):
                large.sendall(b"x" * 1000)
                time.sleep(0.05)
