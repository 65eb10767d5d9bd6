"""Sources that are slow, over HTTP: /sources/N answers 10 * N after N seconds.

    python3 sources.py [PORT]

Without a port it takes a free one; it prints the one that it has.
"""

import http.server
import sys
import time


class Sources(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        number = int(self.path.rsplit("/", 1)[1])
        time.sleep(number)
        body = str(10 * number).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    # A thread a connection: the sources wait beside each other.
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Sources)
    print(server.server_port, flush=True)
    server.serve_forever()
