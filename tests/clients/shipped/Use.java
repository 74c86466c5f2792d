import java.util.ArrayList;
import java.util.List;
import java.util.Scanner;

/** Does what each line of standard input says, with packaging/clients/Client.java; see shipped.sh. */
class Use {
    static List<String> ids(Client client, String word, int count) throws Exception {
        if (word.equals("many")) {
            return client.ids(count);
        }
        List<String> all = new ArrayList<>();
        while (all.size() < count) {
            all.add(client.nextId());
        }
        return all;
    }

    public static void main(String[] arguments) throws Exception {
        Client client = null;
        for (var lines = new Scanner(System.in); lines.hasNext(); ) {
            String word = lines.next(), rest = lines.next();
            if (word.equals("client") || word.equals("hasty")) {
                client = new Client("http://" + rest);
                client.timeout = word.equals("hasty") ? 1 : 30;
                client.patience = 60;
            } else {
                try {
                    System.out.println(String.join("\n", ids(client, word, Integer.parseInt(rest))));
                } catch (Client.Failure e) {
                    System.out.println("error " + (e.code.isEmpty() ? "-" : e.code) + " " + e.getMessage());
                }
            }
            System.out.println("end");
        }
    }
}
