import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.UUID;

/** Says of each UUID on its standard input: version, variant, and for version 7 its milliseconds. */
final class Read {
    public static void main(String[] arguments) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null;) {
            UUID uuid = UUID.fromString(line);
            long millis = uuid.version() == 7 ? uuid.getMostSignificantBits() >>> 16 : 0;
            System.out.println(uuid + " " + uuid.version() + " " + (uuid.variant() == 2) + " " + millis);
        }
    }
}
