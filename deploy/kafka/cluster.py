"""Apache Kafka on this machine, for development and tests: `make kafka`, `make kafka-stop`.

Brokers of Apache Kafka as Maven Central has it (pom.xml beside this file pins the version), each
broker and controller in one (KRaft), on loopback alone. Everything they keep is under .kafka/ of
the checkout; `start` finds a running cluster and leaves it as it is. The standard library only: it
runs before anything is installed.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = Path(os.environ.get("KAFKA_HOME", HERE.parent.parent / ".kafka"))
JARS = HOME / "jars"
HOST = "127.0.0.1"
PORT = 9092  # the first broker's; the others follow it
CONTROLLER_PORT_OFFSET = 100
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
HEAP = "512m"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["start", "stop", "fetch", "why-not"])
    parser.add_argument("--brokers", type=int, default=int(os.environ.get("KAFKA_BROKERS", "1")))
    asked = parser.parse_args()
    if asked.action == "why-not":
        print(why_not())
    elif asked.action == "stop":
        for number in range(len(list(HOME.glob("broker-*")))):
            stop(number)
    else:
        if reason := why_not():
            sys.exit(f"Kafka cannot be started: {reason}")
        fetch()
        if asked.action == "start":
            for number in range(asked.brokers):
                start(number, asked.brokers)
            for number in range(asked.brokers):
                wait(number)
            print(f"Kafka is up: {bootstrap(asked.brokers)}")


def why_not() -> str:
    """What this machine lacks for a broker, in words; nothing: empty."""
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if "mvn" in missing and JARS.is_dir():
        missing.remove("mvn")
    return f"{' and '.join(missing)} missing (Java 17 or later, Maven)" if missing else ""


def bootstrap(brokers: int) -> str:
    """Where clients find the cluster."""
    return ",".join(f"{HOST}:{PORT + number}" for number in range(brokers))


def fetch() -> None:
    """Fetch the jars, once for a version."""
    wanted = (HERE / "pom.xml").read_bytes()
    stamp = HOME / "jars.pom.xml"
    if stamp.is_file() and stamp.read_bytes() == wanted:
        return
    shutil.rmtree(JARS, ignore_errors=True)
    HOME.mkdir(parents=True, exist_ok=True)
    command = ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies"]
    subprocess.run(
        [*command, "-DincludeScope=runtime", f"-DoutputDirectory={JARS}"],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    stamp.write_bytes(wanted)


def start(number: int, brokers: int) -> None:
    """Start a broker unless it runs; its storage is formatted the first time."""
    place = HOME / f"broker-{number}"
    if pid := running(place):
        print(f"broker {number} runs already, process {pid}")
        return
    if listens(number):
        print(f"port {PORT + number} is served already, by a broker that is not of this checkout")
        return
    configuration = place / "server.properties"
    if not configuration.is_file():
        place.mkdir(parents=True, exist_ok=True)
        configuration.write_text(properties(number, brokers, place / "log"))
        run_java(
            place, "kafka.tools.StorageTool", "format", "-t", cluster_id(), "-c", str(configuration)
        )
    with (place / "out").open("ab") as out:
        process = subprocess.Popen(
            java("kafka.Kafka", str(configuration)),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    (place / "pid").write_text(str(process.pid))


def wait(number: int) -> None:
    """Return once a broker listens."""
    began = time.monotonic()
    place = HOME / f"broker-{number}"
    while not listens(number):
        seconds = time.monotonic() - began
        # In its first moment a new process still looks like this one.
        if seconds > START_SECONDS_MAX or (seconds > 1 and not running(place)):
            sys.exit(f"broker {number} did not start:\n{(place / 'out').read_text()[-4000:]}")
        time.sleep(0.1)


def listens(number: int) -> bool:
    """Whether somebody listens on a broker's port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, PORT + number)) == 0


def stop(number: int) -> None:
    """Stop a broker, by its process id."""
    place = HOME / f"broker-{number}"
    pid = running(place)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while running(place):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    print(f"broker {number} has stopped")


def running(place: Path) -> int | None:
    """The process id of the broker at `place`, None when it does not run."""
    try:
        pid = int((place / "pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    # The number may be another process's by now.
    return pid if str(place).encode() in command else None


def cluster_id() -> str:
    """The id that the brokers of this checkout share; made at the first start."""
    path = HOME / "cluster-id"
    if not path.is_file():
        path.write_text(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
    return path.read_text()


def properties(number: int, brokers: int, log: Path) -> str:
    """A broker's configuration: what is acknowledged survives one of three."""
    voters = ",".join(
        f"{one}@{HOST}:{PORT + CONTROLLER_PORT_OFFSET + one}" for one in range(brokers)
    )
    copies = min(3, brokers)
    settings = {
        "process.roles": "broker,controller",
        "node.id": number,
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{PORT + number},"
        f"CONTROLLER://{HOST}:{PORT + CONTROLLER_PORT_OFFSET + number}",
        "log.dirs": log,
        "default.replication.factor": copies,
        "min.insync.replicas": max(1, copies - 1),
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": max(1, copies - 1),
        "auto.create.topics.enable": "false",
        "unclean.leader.election.enable": "false",
        "group.initial.rebalance.delay.ms": 0,
        "broker.session.timeout.ms": 6000,
        "offsets.topic.num.partitions": 4,
        "message.max.bytes": 16 * 1024 * 1024,
        "replica.fetch.max.bytes": 16 * 1024 * 1024,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def java(*arguments: str) -> list[str]:
    """The command that runs a class of Kafka's."""
    return [
        "java",
        f"-Xmx{HEAP}",
        f"-Xms{HEAP}",
        "-XX:+UseG1GC",
        f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}",
        "-cp",
        f"{JARS}/*",
        *arguments,
    ]


def run_java(place: Path, *arguments: str) -> None:
    """Run a tool of Kafka's to its end."""
    done = subprocess.run(java(*arguments), capture_output=True, text=True, check=False)
    (place / "format.out").write_text(done.stdout + done.stderr)
    if done.returncode:
        sys.exit(f"{arguments[0]} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
