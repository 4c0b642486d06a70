import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** Kafka Streams on the workloads of the bench; run.py beside says what it is asked and what it answers. */
public final class KafkaStreams {

    private static final int PARTITIONS = 8;
    private static final Duration COMMITTED_WITHIN = Duration.ofSeconds(30);
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Map<String, String> asked;
    private final Stopwatch watch;
    private final String group = "bench-kafka-streams-" + UUID.randomUUID().toString().substring(0, 8);

    private KafkaStreams(Map<String, String> asked) {
        this.asked = asked;
        this.watch = new Stopwatch(Long.parseLong(asked.get("events")), Double.parseDouble(asked.get("seconds")));
    }

    public static void main(String[] args) throws Exception {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "error");
        Map<String, String> asked = new HashMap<>();
        for (int i = 0; i + 1 < args.length; i += 2) {
            asked.put(args[i].substring(2), args[i + 1]);
        }
        new KafkaStreams(asked).run();
    }

    private void run() throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", asked.get("bootstrap")));
                var streams = new org.apache.kafka.streams.KafkaStreams(topology(admin), settings())) {
            streams.setUncaughtExceptionHandler(KafkaStreams::fail);
            streams.start();
            watch.await();
            System.out.println(watch.told(awaitCommit(admin)));
        }
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.put("application.id", group);
        settings.put("bootstrap.servers", asked.get("bootstrap"));
        settings.put("auto.offset.reset", "earliest");
        settings.put("processing.guarantee", asked.get("guarantee").replace("exactly_once", "exactly_once_v2"));
        settings.put("commit.interval.ms", "100");
        settings.put("num.stream.threads", asked.getOrDefault("threads", "1"));
        settings.put("replication.factor", "1");
        settings.put("state.dir", asked.get("folder"));
        return settings;
    }

    private Topology topology(Admin admin) throws Exception {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, JsonNode> events = builder.stream(asked.get("topic"), Consumed.with(Serdes.String(), json()));
        switch (asked.get("workload")) {
            case "noop" -> events.foreach((user, event) -> watch.count());
            case "sum" -> keepSum(events);
            case "two" -> keepTwo(builder, events, madeTopic(admin));
            default -> throw new IllegalArgumentException("--workload noop|sum|two");
        }
        return builder.build();
    }

    private void keepSum(KStream<String, JsonNode> events) {
        var store = memory() ? Materialized.StoreType.IN_MEMORY : Materialized.StoreType.ROCKS_DB;
        events.groupByKey().aggregate(
            () -> 0L,
            (user, event, total) -> {
                watch.count();
                return total + event.get("amount").asLong();
            },
            Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("total")
                .withStoreType(store)
                .withKeySerde(Serdes.String())
                .withValueSerde(Serdes.Long()));
    }

    /** A processor, as tables of the DSL tell only the last total of each commit, or cache nothing. */
    private void keepTwo(StreamsBuilder builder, KStream<String, JsonNode> events, String to) {
        builder.addStateStore(table("total")).addStateStore(table("count"));
        events.process(Add::new, "total", "count").to(to, Produced.with(Serdes.String(), json()));
    }

    private final class Add extends ContextualProcessor<String, JsonNode, String, JsonNode> {
        private KeyValueStore<String, Long> totals;
        private KeyValueStore<String, Long> counts;

        @Override
        public void init(ProcessorContext<String, JsonNode> context) {
            super.init(context);
            totals = context.getStateStore("total");
            counts = context.getStateStore("count");
        }

        @Override
        public void process(Record<String, JsonNode> event) {
            String user = event.key();
            long total = raise(totals, user, event.value().get("amount").asLong());
            raise(counts, user, 1);
            context().forward(event.withValue(JSON.createObjectNode().put("u", user).put("t", total)));
            watch.count();
        }
    }

    private static long raise(KeyValueStore<String, Long> table, String user, long by) {
        Long before = table.get(user);
        long after = (before == null ? 0 : before) + by;
        table.put(user, after);
        return after;
    }

    /** With the cache that the tables of the DSL have by default. */
    private StoreBuilder<KeyValueStore<String, Long>> table(String name) {
        var store = memory() ? Stores.inMemoryKeyValueStore(name) : Stores.persistentKeyValueStore(name);
        return Stores.keyValueStoreBuilder(store, Serdes.String(), Serdes.Long()).withCachingEnabled();
    }

    private boolean memory() {
        return asked.get("store").equals("memory");
    }

    private String madeTopic(Admin admin) throws Exception {
        String name = asked.get("topic") + "-out-kafka-streams";
        try {
            admin.createTopics(List.of(new NewTopic(name, PARTITIONS, (short) 1))).all().get();
        } catch (ExecutionException exists) {
            if (!(exists.getCause() instanceof TopicExistsException)) {
                throw exists;
            }
        }
        return name;
    }

    /** Until the group's offsets cover all that was counted; the topic begins at offset 0. Null when they never do. */
    private Double awaitCommit(Admin admin) throws Exception {
        long until = System.nanoTime() + COMMITTED_WITHIN.toNanos();
        while (System.nanoTime() < until) {
            var offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().values();
            long committed = offsets.stream().mapToLong(at -> at == null ? 0 : at.offset()).sum();
            if (committed >= watch.events()) {
                return watch.elapsed();
            }
            Thread.sleep(5);
        }
        return null;
    }

    private static Serde<JsonNode> json() {
        return Serdes.serdeFrom(
            (topic, value) -> {
                try {
                    return JSON.writeValueAsBytes(value);
                } catch (IOException unwritable) {
                    throw new UncheckedIOException(unwritable);
                }
            },
            (topic, bytes) -> {
                try {
                    return JSON.readTree(bytes);
                } catch (IOException unreadable) {
                    throw new UncheckedIOException(unreadable);
                }
            });
    }

    private static StreamThreadExceptionResponse fail(Throwable thrown) {
        thrown.printStackTrace();
        Runtime.getRuntime().halt(1);
        return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
    }

    /** Runs from the first event to the last one asked for, or until the time is over. */
    private static final class Stopwatch {
        private static final OperatingSystemMXBean PROCESS =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

        private final long enough;
        private final double limit; // seconds
        private final AtomicLong counted = new AtomicLong();
        private final CountDownLatch begun = new CountDownLatch(1);
        private final CountDownLatch ended = new CountDownLatch(1);
        private volatile long began; // nanoseconds, as the next three
        private volatile long cpuBegan;
        private volatile long took;
        private volatile long cpuTook;
        private volatile long events;

        Stopwatch(long enough, double limit) {
            this.enough = enough;
            this.limit = limit;
        }

        void count() {
            long now = counted.incrementAndGet();
            if (now == 1) {
                began = System.nanoTime();
                cpuBegan = PROCESS.getProcessCpuTime();
                begun.countDown();
            }
            if (now == enough) {
                end(enough);
            }
        }

        private synchronized void end(long events) {
            if (ended.getCount() == 0) {
                return;
            }
            this.events = events;
            took = System.nanoTime() - began;
            cpuTook = PROCESS.getProcessCpuTime() - cpuBegan;
            ended.countDown();
        }

        void await() throws InterruptedException {
            begun.await();
            if (!ended.await((long) (limit * 1e9), TimeUnit.NANOSECONDS)) {
                end(counted.get());
            }
        }

        long events() {
            return events;
        }

        double elapsed() {
            return (System.nanoTime() - began) / 1e9;
        }

        String told(Double committed) {
            return String.format(
                Locale.ROOT,
                "{\"events\": %d, \"seconds\": %.4f, \"cpu_seconds\": %.4f, \"committed_seconds\": %s}",
                events,
                took / 1e9,
                cpuTook / 1e9,
                committed == null ? "null" : String.format(Locale.ROOT, "%.4f", committed));
        }
    }
}
