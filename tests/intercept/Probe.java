import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What a service written in Java does, with Microsoft's addresses built in, by both clients of the JDK. */
public class Probe {
    static final String ENTRA = "https://login.microsoftonline.com/8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10";
    static final String LIST = "https://marketplaceapi.microsoft.com/api/saas/subscriptions?api-version=2018-08-31";
    static final String FORM = "grant_type=client_credentials&client_id=5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"
        + "&client_secret=local-development-secret&scope=20e940b3-4c77-4b0b-9a53-9e16a1b010a7%2F.default";

    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        String metadata = send(client, HttpRequest.newBuilder(URI.create(ENTRA + "/v2.0/.well-known/openid-configuration")));
        HttpRequest.Builder asking = HttpRequest.newBuilder(URI.create(value(metadata, "token_endpoint")))
            .header("content-type", "application/x-www-form-urlencoded")
            .POST(HttpRequest.BodyPublishers.ofString(FORM));
        String token = value(send(client, asking), "access_token");
        HttpURLConnection listing = (HttpURLConnection) URI.create(LIST).toURL().openConnection();
        listing.setRequestProperty("authorization", "Bearer " + token);
        int status = listing.getResponseCode();
        boolean refused = false;
        try {
            URI.create("https://elsewhere.example/").toURL().openConnection().getInputStream();
        } catch (java.io.IOException error) {
            refused = error.getMessage().contains("intercept.allow");
        }
        System.out.println(value(metadata, "issuer") + " " + value(metadata, "jwks_uri") + " " + status + " " + refused);
    }

    static String send(HttpClient client, HttpRequest.Builder request) throws Exception {
        return client.send(request.build(), HttpResponse.BodyHandlers.ofString()).body();
    }

    static String value(String json, String name) {
        Matcher found = Pattern.compile("\"" + name + "\" ?: ?\"([^\"]*)\"").matcher(json);
        found.find();
        return found.group(1);
    }
}
