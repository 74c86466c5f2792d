import java.io.IOException;
import java.net.URI;
import java.net.http.*;
import java.util.List;
import java.util.concurrent.*;
import java.util.stream.Collectors;

/** IDs from the server at a URL, over one connection if one thread asks. */
public class Client {
    public static class Failure extends IOException {
        public final String code; // The server's word for what is wrong, empty if it gave none.
        Failure(String message, Throwable cause) {
            super(message, cause);
            code = message.replaceAll("(?s).*\"code\":\"(\\w+)\".*|.*", "$1");
        }
    }
    final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    final String url;
    public long timeout = 5, patience = 10; // Seconds, for a request and for a call with all its waits.

    public Client(String url) { this.url = url; }
    public String nextId() throws IOException, InterruptedException { return ask("/id").get(0); }
    public List<String> ids(int n) throws IOException, InterruptedException { return ask("/ids/" + n); }
    List<String> ask(String path) throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(URI.create(url + path + "?format=text")).build();
        for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(patience); ; ) {
            HttpResponse<String> reply;
            try {
                reply = http.sendAsync(request, HttpResponse.BodyHandlers.ofString()).get(timeout, TimeUnit.SECONDS);
            } catch (ExecutionException | TimeoutException e) {
                throw new Failure(url + ": " + e, e);
            }
            if (reply.statusCode() == 200) return reply.body().lines().collect(Collectors.toList());
            var after = reply.headers().firstValue("Retry-After").filter(s -> s.matches("\\d{1,9}")).map(Long::valueOf);
            if (after.isEmpty() || TimeUnit.SECONDS.toNanos(after.get()) > end - System.nanoTime())
                throw new Failure(url + ": " + reply.statusCode() + " " + reply.body(), null);
            TimeUnit.SECONDS.sleep(after.get());
        }
    }
}
