"""A Kafka that asks for TLS, a user or both: everything of the pipeline gets in, and a refusal is one sentence with its cure."""

from __future__ import annotations

import logging
import re
import socketserver
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import graph
from pipeline import spark as engine
from pipeline.broker import batch_limit, create_topic, end_offsets
from pipeline.diagnosis import explain
from pipeline.drill.processes import wait_until
from pipeline.errors import BrokerError
from pipeline.feed_process import FeedProcess
from pipeline.kafka_security import Security, security_of, unprinted
from pipeline.producer import Producer
from pipeline.serving import Reader
from pipeline.settings import Settings, load
from pipeline.sources import Answer
from pipeline.tables import BRONZE, lake_of
from tests.secure_broker import PASSWORD, USER, SecureBroker, secure_broker

STATE = ["4b1814", "SWR1", "Switzerland", 1_790_000_000, 1_790_000_000]
PROOFS = {"CONTRAIL_KAFKA_USER": USER, "CONTRAIL_KAFKA_PASSWORD": PASSWORD}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    with secure_broker(tmp_path_factory.mktemp("secured")) as broker:
        yield broker


def chosen(broker: SecureBroker, protocol: str, **changes: str) -> Settings:
    """Settings that get in by a protocol, with changes."""
    told = {"CONTRAIL_KAFKA": broker.servers(protocol), "CONTRAIL_KAFKA_SECURITY": protocol}
    told["CONTRAIL_TOPIC"] = f"sky-{uuid.uuid4().hex[:8]}"
    if protocol.startswith("SASL"):
        told |= PROOFS
    if protocol.endswith("SSL"):
        told["CONTRAIL_KAFKA_CA"] = str(broker.folder / "ca.pem")
    if protocol == "SSL":
        told["CONTRAIL_KAFKA_CERTIFICATE"] = str(broker.folder / "client.pem")
        told["CONTRAIL_KAFKA_KEY"] = str(broker.folder / "client.key")
    return load(told | {f"CONTRAIL_{name.upper()}": value for name, value in changes.items()})


WAYS = [
    ("SSL", "SCRAM-SHA-512"),
    ("SASL_PLAINTEXT", "PLAIN"),
    ("SASL_PLAINTEXT", "SCRAM-SHA-256"),
    ("SASL_SSL", "SCRAM-SHA-512"),
]


@pytest.mark.parametrize(("protocol", "mechanism"), WAYS)
def test_feed_topic_and_bronze_get_in_and_no_log_holds_the_password(secured, spark, tmp_path, protocol, mechanism):
    settings = chosen(secured, protocol, data=str(tmp_path), kafka_sasl_mechanism=mechanism)
    assert settings.kafka is not None
    security, lake = security_of(settings), lake_of(settings)
    create_topic(settings.kafka, settings.topic, 1, security)
    assert batch_limit(settings.kafka, settings.topic, security) > 2**20
    producer = Producer(settings.kafka, settings.topic, security)
    producer.send(Answer(1_790_000_000, [STATE] * 5), "replay")
    producer.close()
    assert end_offsets(settings.kafka, settings.topic, security) == {0: (0, 5)}
    list(lake.create())
    query = engine.start(spark, graph.stages(settings)[0], lake, settings, settings.kafka, once=True)
    query.awaitTermination()
    assert Reader(lake).one(BRONZE, "count(*) AS n")["n"] == 5
    told = [str(query.lastProgress), query.explain(True) or "", *written(tmp_path), *written(spark_logs(spark))]
    assert not [text for text in told if PASSWORD in text or "hush" in text]


def spark_logs(spark) -> Path:
    (log,) = re.findall(r"-Dcontrail\.log=(\S+)", spark.sparkContext.getConf().get("spark.driver.extraJavaOptions"))
    return Path(log).parent


def written(folder: Path) -> list[str]:
    return [path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()]


def test_the_feed_process_signs_in_too_and_its_command_line_does_not_show_how(secured, tmp_path):
    settings = chosen(secured, "SASL_SSL", data=str(tmp_path), aircraft="20", interval="0.5")
    assert settings.kafka is not None
    create_topic(settings.kafka, settings.topic, 1, security_of(settings))
    feed = FeedProcess(settings)
    feed.start(settings.kafka)
    try:
        assert feed._process is not None
        assert PASSWORD not in Path(f"/proc/{feed._process.pid}/cmdline").read_text()
        wait_until(lambda: feed.report().get("messages", 0) >= 20, 60, "the feed has sent")
    finally:
        feed.stop(20)
    assert not [text for text in written(tmp_path) if PASSWORD in text]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused is refused at once: the client need not try for as long as it does for people."""
    monkeypatch.setattr("pipeline.broker.CLIENT_MS", 4_000)


REFUSED = [
    ("SASL_SSL", {"kafka_password": "hush"}, "CONTRAIL_KAFKA_PASSWORD"),
    ("SASL_PLAINTEXT", {"kafka_password": "hush", "kafka_sasl_mechanism": "PLAIN"}, "CONTRAIL_KAFKA_PASSWORD"),
    ("SASL_PLAINTEXT", {"kafka_user": "nobody"}, "CONTRAIL_KAFKA_USER"),
    ("SASL_SSL", {"kafka_ca": "other-ca.pem"}, "CONTRAIL_KAFKA_CA"),
]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("protocol", "changes", "cure"), REFUSED)
def test_a_refusal_is_one_sentence_with_its_cure_and_without_the_password(secured, caplog, protocol, changes, cure):
    changed = {name: str(secured.folder / value) if name == "kafka_ca" else value for name, value in changes.items()}
    settings = chosen(secured, protocol, **changed)
    with caplog.at_level(logging.WARNING), pytest.raises(BrokerError, match=cure) as refused:
        create_topic(settings.kafka or "", settings.topic, 1, security_of(settings))
    assert str(refused.value).startswith(f"Kafka at {settings.kafka} ")
    assert str(refused.value).count(". ") == 0
    assert not {"hush", PASSWORD} & {*caplog.text.split(), *str(refused.value).split()}


@pytest.mark.usefixtures("impatient")
def test_a_kafka_that_asks_for_a_certificate_says_so_to_one_who_shows_none(secured):
    security = Security("SSL", ca=secured.folder / "ca.pem")
    with pytest.raises(BrokerError, match="CONTRAIL_KAFKA_CERTIFICATE"):
        end_offsets(secured.servers("SSL"), "sky", security)


@pytest.mark.usefixtures("impatient")
def test_tls_asked_of_a_listener_without_it_is_named(secured):
    with pytest.raises(BrokerError, match=r"does not speak TLS.*CONTRAIL_KAFKA_SECURITY"):
        end_offsets(secured.servers("SASL_PLAINTEXT"), "sky", Security("SSL"))


@pytest.mark.usefixtures("impatient")
def test_where_the_library_shall_not_print_a_refusal_still_has_its_cure(secured, caplog):
    with unprinted(), pytest.raises(BrokerError, match="CONTRAIL_KAFKA_CERTIFICATE"):
        end_offsets(secured.servers("SSL"), "sky", Security("SSL", ca=secured.folder / "ca.pem"))
    assert caplog.text == ""
    assert logging.getLogger("kafka").propagate


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_a_secured_kafka_reached_without_any_of_it_points_to_the_setting(secured, protocol):
    with pytest.raises(BrokerError, match="CONTRAIL_KAFKA_SECURITY"):
        end_offsets(secured.servers(protocol), "sky")


@pytest.mark.usefixtures("impatient")
def test_a_kafka_that_hangs_up_without_a_word_points_to_all_that_may_be_the_cause():
    class HangsUp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), HangsUp) as server:
        threading.Thread(target=server.serve_forever).start()
        servers = f"127.0.0.1:{server.server_address[1]}"
        security = Security("SASL_PLAINTEXT", "PLAIN", "me", "hush")
        try:
            with pytest.raises(BrokerError, match=r"hangs up.*_SECURITY.*_USER.*_PASSWORD.*_SASL_MECHANISM.*runs"):
                end_offsets(servers, "sky", security)
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("protocol", "changes", "named"),
    [("SASL_SSL", {"kafka_password": "hush"}, "PASSWORD"), ("SASL_SSL", {"kafka_ca": "other-ca.pem"}, "KAFKA_CA")],
)
def test_a_stream_that_kafka_refuses_says_why_and_what_helps(secured, spark, tmp_path, protocol, changes, named):
    changed = {name: str(secured.folder / value) if name == "kafka_ca" else value for name, value in changes.items()}
    settings = chosen(secured, protocol, data=str(tmp_path), **changed)
    right = chosen(secured, protocol, topic=settings.topic)
    create_topic(right.kafka or "", right.topic, 1, security_of(right))
    list(lake_of(settings).create())
    query = engine.start(spark, graph.stages(settings)[0], lake_of(settings), settings, settings.kafka or "", once=True)
    with pytest.raises(Exception, match="Exception"):
        query.awaitTermination(120)
    cause, cure, again = explain(query.exception())
    assert "Kafka" in cause
    assert f"CONTRAIL_{'KAFKA_' if 'KAFKA' not in named else ''}{named}" in cure
    assert not again
    assert "hush" not in str(query.exception()).split()


def test_the_passwords_are_not_shown_when_the_settings_of_the_clients_are_printed():
    shown = repr(Security("SASL_SSL", user="me", password="hush"))
    assert "me" in shown
    assert "hush" not in shown


def test_a_login_holds_any_password_as_it_is():
    told = Security("SASL_SSL", "PLAIN", 'a"b', "c\\d").spark()["kafka.sasl.jaas.config"]
    assert told.endswith('required username="a\\"b" password="c\\\\d";')


def test_spark_is_given_files_by_content_so_that_executors_elsewhere_need_none(secured):
    told = security_of(chosen(secured, "SSL")).spark()
    assert told["kafka.ssl.truststore.certificates"] == (secured.folder / "ca.pem").read_text()
    assert "PRIVATE KEY" in told["kafka.ssl.keystore.key"]
    assert not [value for value in told.values() if str(secured.folder) in value]
