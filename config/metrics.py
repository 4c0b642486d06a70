"""Every metric of Soulfra, its help and its labels, once. Labels never hold a key, an id or a path."""

import contextlib

from prometheus_client import Counter, Gauge, Histogram, Info, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each counter and histogram, which nobody reads

E2E_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)  # seconds
HTTP_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 5, 30)
WORK_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

BUILD = Info("soulfra_build", "Version of the running code")
EVENTS = Counter("soulfra_events", "Events read from a topic", ("pipeline", "topic"))
EVENT_ERRORS = Counter(
    "soulfra_event_errors", "Events that were not folded", ("pipeline", "topic", "error_type", "outcome")
)
PROCESSING = Histogram(
    "soulfra_event_processing_seconds", "Time to work on one event", ("pipeline",), buckets=WORK_BUCKETS
)
E2E = Histogram("soulfra_e2e_latency_seconds", "From an event's time to its fold", ("pipeline",), buckets=E2E_BUCKETS)
CLOCK_SKEW = Counter("soulfra_clock_skew_events", "Events that come from the future", ("topic",))
FORWARDED = Counter("soulfra_forwarded", "Records found in a wrong partition and sent to their own", ("topic",))
DEAD = Counter("soulfra_dlq", "Records sent to a dead-letter topic", ("topic", "reason"))
LAG = Gauge("soulfra_consumer_lag_records", "Records not yet read", ("group", "topic", "partition"))
PROGRESS = Gauge(
    "soulfra_consumer_last_progress_timestamp_seconds", "When a partition was last worked on", ("topic", "partition")
)
ASSIGNED = Gauge("soulfra_assigned_partitions", "Partitions this process owns", ("group",))
PAUSED = Gauge(
    "soulfra_paused_partitions", "Partitions that wait for a newer release of this worker", ("group", "topic")
)
REFUSALS = Counter("soulfra_kafka_refusals", "Times that a broker refused our credentials or TLS", ("reason",))
REBALANCES = Counter("soulfra_rebalances", "Times that partitions were assigned anew", ("group",))
RECOVERY_REMAINING = Gauge(
    "soulfra_table_recovery_remaining_records", "Changelog records not yet read back", ("table",)
)
TABLE_READY = Gauge("soulfra_table_ready", "Whether a table is complete here", ("table",))
TABLE_ROWS = Gauge("soulfra_table_rows", "Rows of a table held here", ("table",))
PROJECTED = Counter("soulfra_projected_rows", "Rows written to Redis", ("table",))
REBUILDS = Counter("soulfra_projection_rebuilds", "Times that a partition's copy in Redis was started anew", ("table",))
LOOP_LAG = Gauge("soulfra_event_loop_lag_seconds", "How late the event loop is")
QUEUE = Gauge("soulfra_producer_queue_records", "Records waiting for the broker's word")
HTTP = Histogram(
    "http_server_request_duration_seconds",
    "Time to answer",
    ("http_route", "http_request_method", "http_response_status_code"),
    buckets=HTTP_BUCKETS,
)
UPLOADED = Counter("soulfra_uploaded_bytes", "Bytes of chats taken in")
ANALYSING = Gauge("soulfra_analyses_running", "Analyses under way in this process")
ANALYSIS = Histogram("soulfra_analysis_seconds", "Time to analyse one chat", ("outcome",), buckets=WORK_BUCKETS)


def forget(gauge: Gauge, *labels: str) -> None:
    """What this process no longer owns, it says nothing about."""
    with contextlib.suppress(KeyError):
        gauge.remove(*labels)
