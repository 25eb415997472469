import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.ProtocolFamily;
import java.net.SocketOption;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.NetworkChannel;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Enumeration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import jdk.net.ExtendedSocketOptions;

/**
 * The sockets of the adapter, by name.
 *
 * Channels are opened without a protocol family, as most programs do. Then NIO opens IPv6 sockets that also serve IPv4,
 * and what is bound to 0.0.0.0 has the address [::].
 */
final class Sockets {
    private static final int DIAL_MS = 5000;

    private final Map<String, NetworkChannel> channels = new HashMap<>();
    /** Channels whose name another one has taken. They stay open, so they must stay reachable. */
    private final List<NetworkChannel> replaced = new ArrayList<>();

    private static InetSocketAddress address(Object text) throws IOException {
        String address = (String) text;
        int colon = address.lastIndexOf(':');
        String host = address.substring(0, colon).replace("[", "").replace("]", "");
        return new InetSocketAddress(InetAddress.getByName(host), Integer.parseInt(address.substring(colon + 1)));
    }

    /** The address as RFC 5952 writes it; Java writes all eight groups. */
    private static String shown(InetSocketAddress address) {
        if (!(address.getAddress() instanceof Inet6Address)) {
            return address.getAddress().getHostAddress() + ":" + address.getPort();
        }
        byte[] bytes = address.getAddress().getAddress();
        int[] groups = new int[8];
        int start = 0;
        int longest = 0;
        int run = 0;
        for (int i = 0; i < 8; i++) {
            groups[i] = (bytes[2 * i] & 255) << 8 | bytes[2 * i + 1] & 255;
            run = groups[i] == 0 ? run + 1 : 0;
            if (run > longest) {
                longest = run;
                start = i + 1 - run;
            }
        }
        StringBuilder text = new StringBuilder("[");
        for (int i = 0; i < 8; i++) {
            if (longest > 1 && i == start) {
                text.append("::");
                i += longest - 1;
                continue;
            }
            boolean separated = i == 0 || text.charAt(text.length() - 1) == ':';
            text.append(separated ? "" : ":").append(Integer.toHexString(groups[i]));
        }
        return text.append("]:").append(address.getPort()).toString();
    }

    private String opened(Object name, NetworkChannel channel) throws IOException {
        NetworkChannel earlier = channels.put((String) name, channel);
        if (earlier != null) {
            replaced.add(earlier);
        }
        String local = shown((InetSocketAddress) channel.getLocalAddress());
        return Json.object("opened", Json.object("local", Json.quoted(local)));
    }

    private NetworkChannel find(Map<?, ?> request) throws IOException {
        NetworkChannel channel = channels.get(request.get("socket"));
        if (channel == null) {
            throw new IOException("no socket has this name");
        }
        return channel;
    }

    String listenTcp(Map<?, ?> request) throws IOException {
        ServerSocketChannel channel = ServerSocketChannel.open();
        try {
            if (Boolean.TRUE.equals(request.get("balanced"))) {
                channel.setOption(StandardSocketOptions.SO_REUSEPORT, true);
            }
            channel.bind(address(request.get("at")));
        } catch (IOException error) {
            channel.close();
            throw error;
        }
        return opened(request.get("socket"), channel);
    }

    String bindUdp(Map<?, ?> request) throws IOException {
        DatagramChannel channel = DatagramChannel.open();
        try {
            channel.bind(address(request.get("at")));
        } catch (IOException error) {
            channel.close();
            throw error;
        }
        return opened(request.get("socket"), channel);
    }

    /** `join` needs an interface: the first that supports multicast, or where there is none the first that is up. */
    private static NetworkInterface multicastInterface() throws IOException {
        NetworkInterface chosen = null;
        Enumeration<NetworkInterface> interfaces = NetworkInterface.getNetworkInterfaces();
        while (interfaces.hasMoreElements()) {
            NetworkInterface each = interfaces.nextElement();
            boolean better = chosen == null || !chosen.supportsMulticast() && each.supportsMulticast();
            chosen = each.isUp() && better ? each : chosen;
        }
        if (chosen == null) {
            throw new IOException("no interface is up");
        }
        return chosen;
    }

    /** The page of MulticastChannel says that the channel must be opened with the family of the group. */
    String joinMulticast(Map<?, ?> request) throws IOException {
        InetAddress group = InetAddress.getByName((String) request.get("group"));
        ProtocolFamily family =
            group instanceof Inet6Address ? StandardProtocolFamily.INET6 : StandardProtocolFamily.INET;
        DatagramChannel channel = DatagramChannel.open(family);
        try {
            channel.bind(address(request.get("at")));
            channel.join(group, multicastInterface());
        } catch (IOException error) {
            channel.close();
            throw error;
        }
        return opened(request.get("socket"), channel);
    }

    /** The timeout is that of the channel's socket(); SocketChannel.connect has none. */
    String dial(Map<?, ?> request) throws IOException {
        SocketChannel channel = SocketChannel.open();
        try {
            channel.socket().connect(address(request.get("to")), DIAL_MS);
        } catch (IOException error) {
            channel.close();
            throw error;
        }
        return opened(request.get("socket"), channel);
    }

    /** Whether the channel is ready within the time. Closing the selector makes the channel an ordinary one again. */
    private static boolean ready(NetworkChannel channel, int operation, Object withinMs) throws IOException {
        SelectableChannel selectable = (SelectableChannel) channel;
        selectable.configureBlocking(false);
        try (Selector selector = Selector.open()) {
            selectable.register(selector, operation);
            long within = (Long) withinMs;
            return (within == 0 ? selector.selectNow() : selector.select(within)) > 0;
        } finally {
            selectable.configureBlocking(true);
        }
    }

    String accept(Map<?, ?> request) throws IOException {
        NetworkChannel listener = find(request);
        if (!(listener instanceof ServerSocketChannel)) {
            return Adapter.unsupported("only ServerSocketChannel has accept");
        }
        if (!ready(listener, SelectionKey.OP_ACCEPT, request.get("within_ms"))) {
            return "\"nothing\"";
        }
        return opened(request.get("into"), ((ServerSocketChannel) listener).accept());
    }

    private static boolean isWholeSeconds(Object milliseconds) {
        return milliseconds == null || (Long) milliseconds % 1000 == 0;
    }

    private static void set(NetworkChannel channel, SocketOption<Integer> option, Object value, int unit)
            throws IOException {
        if (value != null) {
            channel.setOption(option, (int) ((Long) value / unit));
        }
    }

    private static boolean isInteger(Object value, int unit) {
        return value == null || (Long) value / unit <= Integer.MAX_VALUE;
    }

    /** Why the channel has no keepalive, or null. */
    private static String withoutKeepalive(NetworkChannel channel) {
        if (channel.supportedOptions().contains(StandardSocketOptions.SO_KEEPALIVE)) {
            return null;
        }
        String kind = channel instanceof ServerSocketChannel ? "ServerSocketChannel" : "DatagramChannel";
        return Adapter.unsupported(kind + " has no option SO_KEEPALIVE (its documentation lists the options)");
    }

    String keepalive(Map<?, ?> request) throws IOException {
        NetworkChannel channel = find(request);
        String without = withoutKeepalive(channel);
        if (without != null) {
            return without;
        }
        Object idle = request.get("idle_ms");
        Object interval = request.get("interval_ms");
        Object count = request.get("count");
        if (!isWholeSeconds(idle) || !isWholeSeconds(interval)) {
            return Adapter.unsupported("TCP_KEEPIDLE and the like take whole seconds (jdk.net.ExtendedSocketOptions)");
        }
        if (!isInteger(idle, 1000) || !isInteger(interval, 1000) || !isInteger(count, 1)) {
            return Adapter.unsupported("TCP_KEEPIDLE and the like take an Integer (jdk.net.ExtendedSocketOptions)");
        }
        set(channel, ExtendedSocketOptions.TCP_KEEPIDLE, idle, 1000);
        set(channel, ExtendedSocketOptions.TCP_KEEPINTERVAL, interval, 1000);
        set(channel, ExtendedSocketOptions.TCP_KEEPCOUNT, count, 1);
        channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
        return "\"ok\"";
    }

    String keepaliveOff(Map<?, ?> request) throws IOException {
        NetworkChannel channel = find(request);
        String without = withoutKeepalive(channel);
        if (without != null) {
            return without;
        }
        channel.setOption(StandardSocketOptions.SO_KEEPALIVE, false);
        return "\"ok\"";
    }

    String send(Map<?, ?> request) throws IOException {
        NetworkChannel channel = find(request);
        ByteBuffer text = ByteBuffer.wrap(((String) request.get("text")).getBytes(StandardCharsets.UTF_8));
        Object to = request.get("to");
        if (channel instanceof DatagramChannel) {
            if (to == null) {
                ((DatagramChannel) channel).write(text);
            } else {
                ((DatagramChannel) channel).send(text, address(to));
            }
        } else if (channel instanceof SocketChannel && to == null) {
            while (text.hasRemaining()) {
                ((SocketChannel) channel).write(text);
            }
        } else {
            return Adapter.unsupported("this kind of channel cannot send so");
        }
        return "\"ok\"";
    }

    String receive(Map<?, ?> request) throws IOException {
        NetworkChannel channel = find(request);
        if (channel instanceof ServerSocketChannel) {
            return Adapter.unsupported("ServerSocketChannel does not receive");
        }
        if (!ready(channel, SelectionKey.OP_READ, request.get("within_ms"))) {
            return "\"nothing\"";
        }
        ByteBuffer buffer = ByteBuffer.allocate(65536);
        if (channel instanceof DatagramChannel) {
            ((DatagramChannel) channel).receive(buffer);
        } else if (((SocketChannel) channel).read(buffer) < 0) {
            return "\"eof\"";
        }
        String text = new String(buffer.array(), 0, buffer.position(), StandardCharsets.UTF_8);
        return Json.object("received", Json.quoted(text));
    }

    String close(Map<?, ?> request) throws IOException {
        find(request).close();
        channels.remove(request.get("socket"));
        return "\"ok\"";
    }

    private static void read(StringBuilder into, NetworkChannel channel, String name, SocketOption<?> option)
            throws IOException {
        if (!channel.supportedOptions().contains(option)) {
            return;
        }
        Object value = channel.getOption(option);
        int number = value instanceof Boolean ? ((Boolean) value ? 1 : 0) : (Integer) value;
        into.append(into.length() == 0 ? "" : ",").append(Json.quoted(name)).append(':').append(number);
    }

    /** NIO has no option for IPV6_V6ONLY, and a listener has no SO_KEEPALIVE. */
    String options(Map<?, ?> request) throws IOException {
        NetworkChannel channel = find(request);
        StringBuilder options = new StringBuilder();
        read(options, channel, "SO_REUSEADDR", StandardSocketOptions.SO_REUSEADDR);
        read(options, channel, "SO_REUSEPORT", StandardSocketOptions.SO_REUSEPORT);
        read(options, channel, "SO_KEEPALIVE", StandardSocketOptions.SO_KEEPALIVE);
        read(options, channel, "TCP_KEEPIDLE", ExtendedSocketOptions.TCP_KEEPIDLE);
        read(options, channel, "TCP_KEEPINTVL", ExtendedSocketOptions.TCP_KEEPINTERVAL);
        read(options, channel, "TCP_KEEPCNT", ExtendedSocketOptions.TCP_KEEPCOUNT);
        return Json.object("options", "{" + options + "}");
    }
}
