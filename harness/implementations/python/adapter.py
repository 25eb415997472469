"""The Python adapter: each line of ../ADAPTERS.md goes to the file that has the API, server.py or sockets.py.

Both are imported with their first request, because a case needs only one of them, and importing http.server takes
longer than all else here.
"""

import json
import os
import sys

# Isolated mode (-I) does not search the script's folder.
sys.path.append(os.path.dirname(os.path.abspath(__file__)))


def module_for(name):
    if name in ("serve-http", "count"):
        import server
        return server
    import sockets
    if name in sockets.REQUESTS:
        return sockets
    import server
    return server


def answer(line):
    asked = json.loads(line)
    name, keys = (asked, {}) if isinstance(asked, str) else next(iter(asked.items()))
    if name == "hello":
        return {"hello": {"protocol": 2, "name": "python", "version": sys.version.split()[0]}}
    try:
        return module_for(name).answer(name, keys)
    except OSError as error:
        import errno
        return {"failed": errno.errorcode.get(error.errno, str(error))}
    except (OverflowError, ValueError) as error:
        return {"refused": str(error)}


for asked in sys.stdin:
    print(json.dumps(answer(asked)), flush=True)
# Without this the interpreter closes each socket and ends the threads of http.server first.
os._exit(0)
