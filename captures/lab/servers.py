"""Servers and proxies of Debian's packages, each with a log of the case, on any machine of the lab.

PostgreSQL has a module of its own. What a server is to do is in the case's configuration.
"""

import os
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

from captures.lab.case_file import Point
from captures.lab.lab import ZONE, Lab, installed
from captures.lab.network import Namespace, command

READY_SECONDS = 15.0
BOTH_LEGS = "exec dumpcap -q -i toclient -i toserver -w router.pcapng"  # a proxy on the router: both its connections
ROUTER_ADDRESS = "10.1.0.1"  # what clients of a proxy on the router connect to
NGINX = """
daemon off; user www-data; worker_processes 1; pid {folder}/nginx.pid; error_log {errors} warn;
events {{}}
http {{
  error_log {errors} info;
  client_body_temp_path {folder}; proxy_temp_path {folder};
  log_format timed '$remote_addr:$remote_port [$time_iso8601] "$request" $status $body_bytes_sent $upstream_addr';
  access_log {access} timed;
  {site}
}}
"""
STUNNEL = """
foreground = yes
pid =
debug = notice
output = {log}
[shop]
accept = 443
connect = {connect}
cert = {certificate}
"""
PGBOUNCER = """
[databases]
shop = host={host} port=5432 user=shop
[pgbouncer]
listen_addr = *
listen_port = 6432
unix_socket_dir =
auth_type = trust
auth_file = {users}
logfile = {log}
ignore_startup_parameters = extra_float_digits
{settings}
"""


def nginx(lab: Lab, point: Point, site: str) -> None:
    """nginx with the contents of its http block; it writes nginx_error.log and nginx_access.log."""
    folder = _folder(lab, "nginx")
    errors, access = lab.log("nginx_error.log", "nginx", point), lab.log("nginx_access.log", "nginx", point)
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, errors=errors, access=access, site=site))
    lab.software.append(installed("nginx", "-v").removeprefix("nginx version: "))
    machine = lab.machines[point]
    machine.spawn("nginx", "-c", str(configuration), "-e", str(errors), env=os.environ | {"TZ": ZONE})
    wait_for(machine, 80)


def haproxy(lab: Lab, point: Point, configuration: str, *ports: int) -> None:
    """HAProxy; its log, haproxy.log, is what it writes to its standard output."""
    file = _folder(lab, "haproxy") / "haproxy.cfg"
    file.write_text(f"global\n  log stdout format raw daemon\n{configuration}")
    lab.software.append(installed("haproxy", "-v").split(" - ")[0].split("-")[0])
    machine = lab.machines[point]
    log, said = lab.log("haproxy.log", "haproxy", point), file.with_suffix(".stderr")
    with log.open("wb") as stdout, said.open("wb") as stderr:
        machine.spawn("haproxy", "-db", "-f", str(file), stdout=stdout, stderr=stderr, env=os.environ | {"TZ": ZONE})
    for port in ports:
        wait_for(machine, port)


def stunnel(lab: Lab, point: Point, connect: str) -> None:
    """stunnel takes TLS off on port 443 and connects to a host and port; it writes stunnel.log."""
    folder = _folder(lab, "stunnel")
    log, file = lab.log("stunnel.log", "stunnel", point), folder / "stunnel.conf"
    file.write_text(STUNNEL.format(log=log, connect=connect, certificate=certificate(lab, "shop")))
    lab.software.append(" ".join(installed("stunnel", "-version").replace("[ ] ", "").split()[:2]))
    machine = lab.machines[point]
    with (folder / "stderr").open("wb") as stderr:
        machine.spawn("stunnel", str(file), stderr=stderr, env=os.environ | {"TZ": ZONE})
    wait_for(machine, 443)
    log.write_bytes(b"")  # as after a rotation: its first lines are about this machine


def pgbouncer(lab: Lab, point: Point, **settings: str | int) -> str:
    """A PgBouncer before the server's PostgreSQL, on port 6432; the URL for a client of one on the router."""
    folder = _folder(lab, "pgbouncer")
    log = lab.log("pgbouncer.log", "pgbouncer", point)
    users, configuration = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text('"shop" ""\n')
    lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
    configuration.write_text(PGBOUNCER.format(host=lab.server_address, users=users, log=log, settings=lines))
    log.touch()
    shutil.chown(log, "postgres", "postgres")
    lab.software.append(installed("pgbouncer", "--version"))
    machine = lab.machines[point]
    machine.spawn(
        "pgbouncer",
        "-q",
        str(configuration),
        user="postgres",
        group="postgres",
        extra_groups=[],
        env=os.environ | {"TZ": ZONE},
    )
    wait_for(machine, 6432)
    return f"postgresql://shop@{ROUTER_ADDRESS}:6432/shop?sslmode=disable&gssencmode=disable"


def mariadb(lab: Lab, **options: str | int) -> None:
    """A MariaDB on the server, port 3306, with a user shop who needs no password; it writes mariadb.log."""
    folder = _folder(lab, "mariadb")
    shutil.chown(folder, "mysql", "mysql")
    defaults = ("--no-defaults", f"--datadir={folder}/data", "--user=mysql")
    install = ("mariadb-install-db", *defaults, "--skip-test-db", "--auth-root-authentication-method=normal")
    command(*install)
    users = folder / "users.sql"
    users.write_text("CREATE USER shop@'%';\nCREATE DATABASE shop;\nGRANT ALL ON shop.* TO shop@'%';\n")
    log = lab.log("mariadb.log", "mariadb", "server")
    log.touch()
    shutil.chown(log, "mysql", "mysql")
    lab.software.append(installed("mariadbd", "--version").replace("mariadbd  Ver", "MariaDB").split(" for ")[0])
    chosen = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    lab.server.spawn(
        "mariadbd",
        *defaults,
        f"--socket={folder}/socket",
        f"--pid-file={folder}/pid",
        f"--log-error={log}",
        f"--init-file={users}",
        "--innodb-buffer-pool-size=8M",
        "--skip-name-resolve",
        *chosen,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TZ": ZONE},
    )
    wait_for(lab.server, 3306)
    time.sleep(0.7)  # the users are made after it listens
    log.write_bytes(b"")  # as after a rotation: its first lines are about this machine


def redis(lab: Lab, *options: str) -> None:
    """A Redis on the server, port 6379; it writes redis.log."""
    lab.software.append(" ".join(installed("redis-server", "--version").split()[:3]).replace(" server v=", " "))
    log = lab.log("redis.log", "redis", "server")
    lab.server.spawn(
        "redis-server",
        *("--port", "6379", "--save", "", "--protected-mode", "no", "--logfile", str(log), *options),
        cwd=_folder(lab, "redis"),
        env=os.environ | {"TZ": ZONE},
    )
    wait_for(lab.server, 6379)


def dial(lab: Lab, port: int) -> socket.socket:
    """A plain TCP connection from the client to a proxy on the router."""
    with lab.client:
        return socket.create_connection((ROUTER_ADDRESS, port), timeout=10)


def with_tls(client: socket.socket) -> ssl.SSLSocket:
    """TLS on a connection, with no doubts about the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(client)


def certificate(lab: Lab, name: str) -> Path:
    """A self-signed certificate with its key, in one file."""
    key, signed, both = (lab.scratch / f"{name}.{suffix}" for suffix in ("key", "crt", "pem"))
    request = f"openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN={name}"
    command(*request.split(), "-keyout", str(key), "-out", str(signed))
    both.write_text(signed.read_text() + key.read_text())
    return both


def wait_for(machine: Namespace, port: int) -> None:
    """Until a server listens there. It is not asked: a connection of ours would stand in its log."""
    deadline = time.monotonic() + READY_SECONDS
    while f":{port} " not in machine.run("ss", "-Hltn"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"nothing listens on port {port} of {machine.name}")
        time.sleep(0.05)


def _folder(lab: Lab, name: str) -> Path:
    folder = lab.scratch / name
    folder.mkdir(exist_ok=True)
    return folder
