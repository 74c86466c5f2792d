import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Asks a server for IDs with Java's two clients, as they are by default. */
class Ask {
    // What HttpURLConnection sent by itself before Java 19, here for later ones too.
    static final String ACCEPT = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";

    static void expect(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static void old(String url, String accept) throws Exception {
        HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
        if (accept != null) {
            connection.setRequestProperty("Accept", accept);
        }
        int status = connection.getResponseCode();
        String type = connection.getContentType();
        expect(status == 200 && type.equals("application/json"), url + ": " + status + " " + type);
        try (var body = connection.getInputStream()) {
            expect(body.readAllBytes().length > 0, url + ": no body");
        }
    }

    public static void main(String[] arguments) throws Exception {
        // Its own is HTTP/2, by an upgrade that the server need not follow.
        HttpClient client = HttpClient.newHttpClient();
        for (String path : new String[] {"/generate", "/id", "/ids/10", "/ids/3000", "/ranges/10"}) {
            String url = arguments[0] + path;
            old(url, null);
            old(url, ACCEPT);
            HttpResponse<String> reply =
                client.send(
                    HttpRequest.newBuilder(URI.create(url)).build(),
                    HttpResponse.BodyHandlers.ofString());
            expect(reply.statusCode() == 200, url + ": " + reply.statusCode());
        }
    }
}
