"""nginx refuses a large body without reading it.

A client uploads 200 kB where 1 kB is allowed. nginx answers 413 and, with lingering_close off, closes at once: the rest of the body lies
unread in its socket, so its kernel resets behind the answer. A small upload before it ends well.
"""

import os
import time
from contextlib import suppress

from captures.lab.case_file import TiedLine
from captures.lab.lab import ZONE, Lab, installed

PROGRAMS = ("nginx",)
CONFIGURATION = """
daemon off; user www-data; worker_processes 1; pid {folder}/nginx.pid; error_log {errors} info;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}; client_max_body_size 1k; lingering_close off;
  server {{ listen 80; location / {{ return 200 "stored\\n"; }} location /upload {{ proxy_pass http://127.0.0.1:9; }} }}
}}
"""


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
    for size in (500, 200_000):
        upload = lab.connect(80)
        request = f"POST /{'upload' if size > 1000 else ''} HTTP/1.1\r\nHost: files\r\nContent-Length: {size}\r\n"
        if size > 1000:
            lab.expect(
                upload,
                reset_by="server",
                cause="unread_data_at_close",
                may_be=("protocol_error",),
                harmless=False,
                decidable_at=("client", "router", "server", "both"),
                log_lines=(TiedLine("nginx_error.log", "client intended to send too large body"),),
            )
        with suppress(ConnectionError):
            upload.sendall(f"{request}Connection: close\r\n\r\n".encode() + b"x" * size)
            while upload.recv(4096):
                pass
        upload.close()
        time.sleep(0.4)
