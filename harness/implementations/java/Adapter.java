import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * The adapter of ../ADAPTERS.md for Java: ServerSocketChannel, SocketChannel and DatagramChannel with their defaults.
 *
 * The classes use no lambdas and streams, whose first use takes longer than all the rest of the start.
 */
final class Adapter {
    private static final String NO_PERIOD = "SocketChannel has no option that takes one duration";

    /** Java's messages are the kernel's texts, except for resets and timeouts. */
    private static final String[][] ERRORS = {
        {"Address already in use", "EADDRINUSE"},
        {"Cannot assign requested address", "EADDRNOTAVAIL"},
        {"Connection refused", "ECONNREFUSED"},
        {"Connection reset", "ECONNRESET"},
        {"timed out", "ETIMEDOUT"},
        {"Broken pipe", "EPIPE"},
        {"Invalid argument", "EINVAL"},
        {"Permission denied", "EACCES"},
        {"Operation not permitted", "EPERM"},
        {"Network is unreachable", "ENETUNREACH"},
        {"No route to host", "EHOSTUNREACH"},
        {"No such device", "ENODEV"},
        {"Protocol not available", "ENOPROTOOPT"},
        {"Address family not supported", "EAFNOSUPPORT"},
    };

    static String unsupported(String reason) {
        return Json.object("unsupported", Json.quoted(reason));
    }

    private static String failed(IOException error) {
        String message = error.getMessage() == null ? error.toString() : error.getMessage();
        for (String[] pair : ERRORS) {
            if (message.contains(pair[0])) {
                return Json.object("failed", Json.quoted(pair[1]));
            }
        }
        return Json.object("failed", Json.quoted(message));
    }

    private static String execute(Sockets sockets, String name, Map<?, ?> request) throws IOException {
        switch (name) {
            case "hello":
                String version = "java " + System.getProperty("java.version");
                return "{\"hello\":{\"protocol\":2,\"name\":\"java\",\"version\":" + Json.quoted(version) + "}}";
            case "listen-tcp":
                return sockets.listenTcp(request);
            case "bind-udp":
                return sockets.bindUdp(request);
            case "join-multicast":
                return sockets.joinMulticast(request);
            case "dial":
                return sockets.dial(request);
            case "accept":
                return sockets.accept(request);
            case "keepalive":
                return sockets.keepalive(request);
            case "keepalive-period":
                return unsupported(NO_PERIOD);
            case "keepalive-off":
                return sockets.keepaliveOff(request);
            case "send":
                return sockets.send(request);
            case "receive":
                return sockets.receive(request);
            case "close-socket":
                return sockets.close(request);
            case "options":
                return sockets.options(request);
            default:
                return unsupported("NIO has no channel for " + name);
        }
    }

    private static String answer(Sockets sockets, String line) {
        try {
            Object parsed = Json.parse(line);
            if (!(parsed instanceof Map)) {
                return execute(sockets, String.valueOf(parsed), Map.of());
            }
            Map.Entry<?, ?> request = ((Map<?, ?>) parsed).entrySet().iterator().next();
            return execute(sockets, (String) request.getKey(), (Map<?, ?>) request.getValue());
        } catch (IOException error) {
            return failed(error);
        } catch (UnsupportedOperationException error) {
            return unsupported("NIO on this machine: " + error.getMessage());
        } catch (RuntimeException error) {
            // What Java checks itself; it has exceptions of their own for what comes from the kernel.
            return Json.object("refused", Json.quoted(error.toString()));
        }
    }

    public static void main(String[] arguments) throws IOException {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        OutputStream output = System.out;
        Sockets sockets = new Sockets();
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            output.write((answer(sockets, line) + "\n").getBytes(StandardCharsets.UTF_8));
            output.flush();
        }
        Runtime.getRuntime().halt(0);
    }
}
