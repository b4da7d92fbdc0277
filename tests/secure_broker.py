"""A real Kafka that asks who one is: TLS with an authority of its own, and one user by PLAIN and by SCRAM."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline import jars
from pipeline.broker import free_port, is_open
from pipeline.drill.processes import started, wait_until
from pipeline.settings import load

# The password has the characters that a JAAS line has to escape.
USER, PASSWORD = "feeder", 'fly"high\\7'
PROTOCOLS = ("SSL", "SASL_PLAINTEXT", "SASL_SSL")
INNER = ("PLAINTEXT", "CONTROLLER")
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{CONTROLLER}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
listener.name.ssl.ssl.client.auth=required
log.dirs={folder}/logs
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
"""
LOGIN = "listener.name.{name}.{mechanism}.sasl.jaas.config=org.apache.kafka.common.security.{module} required{user};\n"


@dataclass(frozen=True)
class SecureBroker:
    """Where it listens, by protocol, and the folder of `ca.pem`, `other-ca.pem`, `client.pem` and `client.key`."""

    ports: dict[str, int]
    folder: Path

    def servers(self, protocol: str) -> str:
        return f"127.0.0.1:{self.ports[protocol]}"


@contextmanager
def secure_broker(folder: Path) -> Iterator[SecureBroker]:
    """The broker, while the block runs."""
    make_certificates(folder)
    made = SecureBroker({protocol: free_port() for protocol in (*PROTOCOLS, *INNER)}, folder)
    written = folder / "server.properties"
    written.write_text(properties(made))
    class_path = os.pathsep.join(map(str, jars.jars("kafka", load({}).cache_folder)))
    java = [jars.java(), "-Xmx256m", "-XX:+UseSerialGC", "-cp", class_path]
    known = [f"SCRAM-SHA-{bits}=[name={USER},password={PASSWORD}]" for bits in (256, 512)]
    users = [word for one in known for word in ("--add-scram", one)]
    format_ = [*java, "kafka.tools.StorageTool", "format", "-t", "c" + "A" * 21, "-c", str(written), *users]
    subprocess.run(format_, check=True, capture_output=True)
    with started([*java, "kafka.Kafka", str(written)], {}, folder / "broker.log"):
        wait_until(lambda: is_open(made.ports["SASL_SSL"]), 300, "the secured Kafka listens")
        yield made


def properties(made: SecureBroker) -> str:
    """Its configuration: a listener for each protocol."""
    listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in made.ports.items())
    advertised = ",".join(f"{name}://127.0.0.1:{port}" for name, port in made.ports.items() if name != "CONTROLLER")
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"').replace("\\", "\\\\")
    logins = ""
    for name in ("sasl_plaintext", "sasl_ssl"):
        known = f' user_{USER}="{quoted}"'
        logins += LOGIN.format(name=name, mechanism="plain", module="plain.PlainLoginModule", user=known)
        for bits in (256, 512):
            logins += LOGIN.format(name=name, mechanism=f"scram-sha-{bits}", module="scram.ScramLoginModule", user="")
    told = PROPERTIES.format(folder=made.folder, CONTROLLER=made.ports["CONTROLLER"])
    return told + f"listeners={listeners}\nadvertised.listeners={advertised}\n{logins}"


def make_certificates(folder: Path) -> None:
    """An authority, the broker's and a client's certificate signed by it, and an authority that signed neither."""
    for name in ("ca", "other-ca"):
        openssl(
            folder, f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
        )
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
    for name, names in (("server", "-extfile names"), ("client", "")):
        openssl(folder, f"req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr")
        signed = f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out {name}.pem {names}"
        openssl(folder, signed)
    whole = (folder / "server.key").read_text() + (folder / "server.pem").read_text()
    (folder / "server.pem").write_text(whole)


def openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)
