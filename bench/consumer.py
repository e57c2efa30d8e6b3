"""The consumer that a careful team writes by hand instead of using an extension.

It does what one has to do to be fast and exactly once with Python: batches of
messages, orjson, aggregation in a dict, COPY of the batch's groups into a
temporary table, one upsert from there, the offsets in the same transaction,
asynchronous commit, and librdkafka's queue limits raised (with the defaults a
backlog waits for the fetcher: DESIGN "librdkafka traps").

It reads until every partition is at the end it had at the start, or with
--follow until it is terminated.  Usage:

    consumer.py --brokers B --topic T --dsn DSN [--result FILE] [--follow]
"""

import argparse
import os
import resource
import signal
import time

import orjson
import psycopg
from confluent_kafka import Consumer, KafkaException, TopicPartition

BATCH = 50_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS hand_result (
    window_start timestamptz, ad_id int, events bigint, total numeric(20, 2),
    PRIMARY KEY (window_start, ad_id)) WITH (fillfactor = 70);
CREATE TABLE IF NOT EXISTS hand_offsets (
    part int PRIMARY KEY, next_offset bigint NOT NULL);
CREATE TEMPORARY TABLE delta (
    window_start timestamptz, ad_id int, events bigint, total numeric(20, 2));
"""

MERGE = """
INSERT INTO hand_result AS r
SELECT * FROM delta ORDER BY window_start, ad_id
ON CONFLICT (window_start, ad_id) DO UPDATE
SET events = r.events + excluded.events, total = r.total + excluded.total
"""

RESULT = """
COPY (SELECT extract(epoch FROM window_start)::bigint, ad_id, events,
             (total * 100)::bigint FROM hand_result ORDER BY 1, 2) TO STDOUT
"""


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--result")
    parser.add_argument("--follow", action="store_true")
    return parser.parse_args()


def make_consumer(brokers):
    return Consumer({
        "bootstrap.servers": brokers,
        "group.id": "hand-written",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "queued.min.messages": 1_000_000,
        "queued.max.messages.kbytes": 131_072,
        "fetch.queue.backoff.ms": 5,
    })


def assign(consumer, topic, db):
    """Starts at the stored offsets; returns the ends as of now."""
    stored = dict(db.execute("SELECT part, next_offset FROM hand_offsets"))
    metadata = consumer.list_topics(topic, timeout=30).topics[topic]
    ends, starts = {}, []
    for part in metadata.partitions:
        low, high = consumer.get_watermark_offsets(
            TopicPartition(topic, part), timeout=30)
        ends[part] = high
        starts.append(TopicPartition(topic, part, stored.get(part, low)))
    consumer.assign(starts)
    return ends


def fold(messages, offsets):
    """(window, ad) -> [events, total] of one batch of messages."""
    groups = {}
    loads = orjson.loads
    for message in messages:
        if message.error():
            raise KafkaException(message.error())
        event = loads(message.value())
        if event["event_type"] == "view":
            # ten seconds: the time to the minute and the first digit of
            # its seconds
            key = (event["event_time"][:18], event["ad_id"])
            group = groups.get(key)
            if group is None:
                groups[key] = [1, event["price"]]
            else:
                group[0] += 1
                group[1] += event["price"]
        offsets[message.partition()] = message.offset() + 1
    return groups


def store(db, groups, offsets):
    """The batch's groups and offsets, in one transaction."""
    with db.transaction(), db.cursor() as cursor:
        if groups:
            cursor.execute("TRUNCATE delta")
            with cursor.copy("COPY delta FROM STDIN") as copy:
                copy.write("".join(
                    f"{window}0Z\t{ad}\t{count}\t{total:.2f}\n"
                    for (window, ad), (count, total) in groups.items()))
            cursor.execute(MERGE)
        cursor.executemany(
            "INSERT INTO hand_offsets VALUES (%s, %s) ON CONFLICT (part)"
            " DO UPDATE SET next_offset = excluded.next_offset",
            list(offsets.items()))


def backend_cpu(db):
    """CPU seconds of our PostgreSQL backend, which is on this machine."""
    pid = db.info.backend_pid
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    arguments = parse_arguments()
    running = True

    def stop(_signal, _frame):
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    cpu, start = own_cpu(), time.monotonic()
    db = psycopg.connect(arguments.dsn, autocommit=True)
    db.execute("SET synchronous_commit = off")
    db.execute(SCHEMA)
    consumer = make_consumer(arguments.brokers)
    ends = assign(consumer, arguments.topic, db)
    done, events = dict.fromkeys(ends, 0), 0
    if arguments.follow:
        print("following", flush=True)

    while running and (arguments.follow or any(
            done[part] < end for part, end in ends.items())):
        messages = consumer.consume(BATCH, timeout=0.05)
        if messages:
            offsets = {}
            store(db, fold(messages, offsets), offsets)
            done.update(offsets)
            events += len(messages)

    seconds, cpu = time.monotonic() - start, own_cpu() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if events:
        print(f"events={events} seconds={seconds:.3f}"
              f" cpu_us={cpu * 1e6 / events:.4f}"
              f" backend_us={backend_cpu(db) * 1e6 / events:.4f}"
              f" max_rss_kb={memory}", flush=True)
    if arguments.result:
        with open(arguments.result, "wb") as f, db.cursor() as cursor:
            with cursor.copy(RESULT) as copy:
                for chunk in copy:
                    f.write(chunk)
    os._exit(0)  # leaving the consumer properly takes a while


main()
