import java.util.LinkedHashMap;
import java.util.Map;

/**
 * JSON as far as the requests of ../ADAPTERS.md need it: objects, strings, integers, true and false.
 *
 * The JDK has no JSON, and a library would have to be fetched and loaded.
 */
final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** A Map, String, Long or Boolean. */
    static Object parse(String text) {
        return new Json(text).value();
    }

    private char next() {
        while (Character.isWhitespace(text.charAt(at))) {
            at++;
        }
        return text.charAt(at);
    }

    private Object value() {
        switch (next()) {
            case '{':
                return object();
            case '"':
                return string();
            default:
                int start = at;
                while (at < text.length() && ",}] \t\r\n".indexOf(text.charAt(at)) < 0) {
                    at++;
                }
                String word = text.substring(start, at);
                if (word.equals("true") || word.equals("false")) {
                    return Boolean.valueOf(word);
                }
                return Long.valueOf(word);
        }
    }

    private Map<String, Object> object() {
        Map<String, Object> object = new LinkedHashMap<>();
        at++;
        while (next() != '}') {
            String key = string();
            if (next() != ':') {
                throw new IllegalArgumentException("a colon is missing in " + text);
            }
            at++;
            object.put(key, value());
            if (next() == ',') {
                at++;
                next();
            }
        }
        at++;
        return object;
    }

    private String string() {
        StringBuilder string = new StringBuilder();
        at++;
        while (true) {
            char c = text.charAt(at++);
            if (c == '"') {
                return string.toString();
            }
            if (c != '\\') {
                string.append(c);
                continue;
            }
            char escape = text.charAt(at++);
            int plain = "bfnrt".indexOf(escape);
            if (plain >= 0) {
                string.append("\b\f\n\r\t".charAt(plain));
            } else if (escape == 'u') {
                string.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                at += 4;
            } else {
                string.append(escape);
            }
        }
    }

    /** The text in quotation marks. */
    static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '"' || c == '\\') {
                quoted.append('\\').append(c);
            } else if (c < ' ') {
                quoted.append("\\u00").append(c < 16 ? "0" : "").append(Integer.toHexString(c));
            } else {
                quoted.append(c);
            }
        }
        return quoted.append('"').toString();
    }

    /** `{"name":value}`; the value is JSON. */
    static String object(String name, String value) {
        return "{" + quoted(name) + ":" + value + "}";
    }
}
