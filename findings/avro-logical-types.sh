#!/usr/bin/env bash
# The same bytes and the same two schemas are an instant in Java and a number in Python, and the other way round.
#
# Versions: fastavro 1.13.1, avro 1.12.2 (Python), org.apache.avro:avro:1.12.2 (Java).
# Seen on 30 November 2026.
#
# Behaviour. When only one of the two schemas of a long says timestamp-micros, both Python packages take the type from the writer's
# schema and Java takes it from the reader's.
#
# Output seen:
#   plain long written, timestamp-micros in the reader: fastavro int, avro int, java Instant
#   timestamp-micros written, plain long in the reader: fastavro datetime, avro datetime, java Long
#
# Surprising because "the reader's schema decides what I get" is how schema resolution is taught: a service that adds the logical type to its
# schema gets dates in Java at once, and in Python only from records that were written later, with both kinds in one topic.
set -euo pipefail
source "$(dirname "$0")/lib/parts.sh"
within 300 "$0" "$@"

python_packages fastavro==1.13.1 avro==1.12.2
java_packages org.apache.avro:avro:1.12.2 org.slf4j:slf4j-nop:2.0.17
echo '{"type":"record","name":"R","fields":[{"name":"at","type":"long"}]}' >"$work/plain.avsc"
echo '{"type":"record","name":"R","fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}}]}' >"$work/instant.avsc"

cat >"$work/read.py" <<'PY'
import io, json, sys
from pathlib import Path
import avro.io, avro.schema, fastavro

written, wanted = (Path(name).read_text() for name in sys.argv[1:])
record = io.BytesIO()
fastavro.schemaless_writer(record, {"type": "record", "name": "R", "fields": [{"name": "at", "type": "long"}]}, {"at": 1767225600000000})
fast = fastavro.schemaless_reader(io.BytesIO(record.getvalue()), json.loads(written), json.loads(wanted))
reader = avro.io.DatumReader(avro.schema.parse(written), avro.schema.parse(wanted))
slow = reader.read(avro.io.BinaryDecoder(io.BytesIO(record.getvalue())))
print(f"fastavro {type(fast['at']).__name__}, avro {type(slow['at']).__name__}")
PY
cat >"$work/Read.java" <<'JAVA'
import java.io.ByteArrayOutputStream;
import java.nio.file.*;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.*;
import org.apache.avro.io.*;

public class Read {
    static Schema schema(String file) throws Exception { return new Schema.Parser().parse(Files.readString(Path.of(file))); }

    public static void main(String[] files) throws Exception {
        GenericData model = new GenericData();
        model.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        EncoderFactory.get().directBinaryEncoder(bytes, null).writeLong(1767225600000000L);
        Decoder decoder = DecoderFactory.get().binaryDecoder(bytes.toByteArray(), null);
        GenericRecord read = new GenericDatumReader<GenericRecord>(schema(files[0]), schema(files[1]), model).read(null, decoder);
        System.out.println("java " + read.get("at").getClass().getSimpleName());
    }
}
JAVA
read_both() { # read_both WRITTEN WANTED
  echo "$("$python" "$work/read.py" "$work/$1.avsc" "$work/$2.avsc"), $(java -cp "$jars" "$work/Read.java" "$work/$1.avsc" "$work/$2.avsc")"
}
added=$(read_both plain instant)
echo "plain long written, timestamp-micros in the reader: $added"
dropped=$(read_both instant plain)
echo "timestamp-micros written, plain long in the reader: $dropped"
[[ $added == "fastavro int, avro int, java Instant" ]] || changed "$added"
[[ $dropped == "fastavro datetime, avro datetime, java Long" ]] || changed "$dropped"
