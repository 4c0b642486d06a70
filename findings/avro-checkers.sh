#!/usr/bin/env bash
# Every Avro checker calls it compatible; the amount is ten times smaller and the date is in 1970.
#
# Versions: avro 1.12.2 (Python), org.apache.avro:avro:1.12.2 (Java).
# Seen on 30 November 2026.
#
# Behaviour. A writer has decimal(9, 2) and timestamp-millis, the reader decimal(9, 3) and timestamp-micros on the same bytes and long.
# ReaderWriterCompatibilityChecker of Python and SchemaCompatibility of Java both say compatible: neither looks at logical types. Java
# then reads the digits by the reader's scale and the number by the reader's unit.
#
# Output seen:
#   python's checker: compatible
#   java's checker: COMPATIBLE
#   written 1.23 and 2026-01-01T00:00:00Z, java reads 0.123 and 1970-01-21T10:53:45Z
#
# Surprising because the check of a schema registry is the reason why one dares to deploy a changed schema, and this one changes every number
# that is already in the log without an error.
set -euo pipefail
source "$(dirname "$0")/lib/parts.sh"
within 300 "$0" "$@"

python_packages avro==1.12.2
java_packages org.apache.avro:avro:1.12.2 org.slf4j:slf4j-nop:2.0.17
schema() { # schema SCALE UNIT
  echo '{"type":"record","name":"R","fields":[{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":'"$1"'}},' \
    '{"name":"at","type":{"type":"long","logicalType":"timestamp-'"$2"'"}}]}'
}
schema 2 millis >"$work/writer.avsc"
schema 3 micros >"$work/reader.avsc"

cat >"$work/check.py" <<'PY'
import sys
from pathlib import Path
from avro.compatibility import ReaderWriterCompatibilityChecker
from avro.schema import parse

writer, reader = (parse(Path(name).read_text()) for name in sys.argv[1:])
print(ReaderWriterCompatibilityChecker().get_compatibility(reader, writer).compatibility.name)
PY
cat >"$work/Read.java" <<'JAVA'
import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.nio.file.*;
import java.time.Instant;
import org.apache.avro.*;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.*;
import org.apache.avro.io.*;

public class Read {
    static Schema schema(String file) throws Exception { return new Schema.Parser().parse(Files.readString(Path.of(file))); }

    public static void main(String[] files) throws Exception {
        Schema writer = schema(files[0]), reader = schema(files[1]);
        System.out.println("java's checker: " + SchemaCompatibility.checkReaderWriterCompatibility(reader, writer).getType());
        GenericData model = new GenericData();
        model.addLogicalTypeConversion(new Conversions.DecimalConversion());
        model.addLogicalTypeConversion(new TimeConversions.TimestampMillisConversion());
        model.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
        GenericRecord record = new GenericData.Record(writer);
        record.put("amount", new BigDecimal("1.23"));
        record.put("at", Instant.parse("2026-01-01T00:00:00Z"));
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        Encoder encoder = EncoderFactory.get().directBinaryEncoder(bytes, null);
        new GenericDatumWriter<GenericRecord>(writer, model).write(record, encoder);
        Decoder decoder = DecoderFactory.get().binaryDecoder(bytes.toByteArray(), null);
        GenericRecord read = new GenericDatumReader<GenericRecord>(writer, reader, model).read(null, decoder);
        System.out.printf("written %s and %s, java reads %s and %s%n", record.get("amount"), record.get("at"), read.get("amount"), read.get("at").toString().replaceAll("\\.\\d+", ""));
    }
}
JAVA
says=$("$python" "$work/check.py" "$work/writer.avsc" "$work/reader.avsc")
echo "python's checker: $says"
[[ $says == compatible ]] || changed "python's checker sees it"
java -cp "$jars" "$work/Read.java" "$work/writer.avsc" "$work/reader.avsc" | tee "$work/java.txt"
grep -q 'checker: COMPATIBLE' "$work/java.txt" || changed "java's checker sees it"
grep -q 'java reads 0.123 and 1970-01-21T' "$work/java.txt" || changed "java reads other values"
