import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.HexFormat;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericFixed;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;

/** Reads lines of writer's schema, reader's schema and base64 body, tabs between; prints the field `f` or ERROR. */
public class Resolve {
    public static void main(String[] none) throws Exception {
        GenericData data = new GenericData();
        data.addLogicalTypeConversion(new TimeConversions.TimestampMillisConversion());
        data.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
        data.addLogicalTypeConversion(new Conversions.DecimalConversion());
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] part = line.split("\t");
            System.out.println(read(data, part[0], part[1], Base64.getDecoder().decode(part[2])));
        }
    }

    static String read(GenericData data, String writer, String reader, byte[] body) {
        try {
            Schema wrote = new Schema.Parser().parse(writer), reads = new Schema.Parser().parse(reader);
            var from = new GenericDatumReader<GenericRecord>(wrote, reads, data);
            return text(from.read(null, DecoderFactory.get().binaryDecoder(body, null)).get("f"));
        } catch (Exception wrong) {
            return "ERROR";
        }
    }

    static String text(Object value) {
        if (value instanceof ByteBuffer bytes) {
            byte[] copy = new byte[bytes.remaining()];
            bytes.get(copy);
            return HexFormat.of().formatHex(copy);
        }
        return value instanceof GenericFixed fixed ? HexFormat.of().formatHex(fixed.bytes()) : String.valueOf(value);
    }
}
