import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Sends one record with Java's default partitioner: bootstrap, topic, key, base64 value, then header=value pairs. */
public class Produce {
    public static void main(String[] given) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", given[0]);
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            byte[] value = Base64.getDecoder().decode(given[3]);
            var record = new ProducerRecord<>(given[1], given[2].getBytes(StandardCharsets.UTF_8), value);
            for (int at = 4; at < given.length; at++) {
                String[] header = given[at].split("=", 2);
                record.headers().add(header[0], header[1].getBytes(StandardCharsets.UTF_8));
            }
            System.out.println(producer.send(record).get().partition());
        }
    }
}
