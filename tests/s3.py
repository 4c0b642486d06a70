"""A server that speaks as much of S3's protocol as the store uses, in memory, which can go away and come back."""

from __future__ import annotations

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

from tests.conftest import free_port


class S3:
    """`objects` by name; `unfinished` are multipart uploads, by id."""

    def __init__(self) -> None:
        self.port = free_port()
        self.objects: dict[str, bytes] = {}
        self.unfinished: dict[str, dict[int, bytes]] = {}
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        handler = type("Bound", (Handler,), {"s3": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SOULFRA_OBJECTS__URL": "s3://bucket",
            "SOULFRA_OBJECTS__ENDPOINT": f"http://127.0.0.1:{self.port}",
            "SOULFRA_OBJECTS__REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }


class Handler(BaseHTTPRequestHandler):
    s3: S3
    timeout = 5

    def log_message(self, *_: object) -> None: ...

    @property
    def name(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix("/bucket").lstrip("/")

    @property
    def query(self) -> dict[str, str]:
        asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        return {name: values[0] for name, values in asked.items()}

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self) -> None:
        content = self.body()
        if upload := self.query.get("uploadId"):
            if (parts := self.s3.unfinished.get(upload)) is None:  # aborted while this part was on its way
                self.reply(404, b"<Error><Code>NoSuchUpload</Code></Error>")
                return
            parts[int(self.query["partNumber"])] = content
        else:
            self.s3.objects[self.name] = content
        self.reply(200, ETag=f'"{hashlib.md5(content).hexdigest()}"')  # noqa: S324

    def do_POST(self) -> None:
        body = self.body().decode()
        if "delete" in self.query:
            names = [unescape(name) for name in re.findall(r"<Key>(.*?)</Key>", body)]
            for name in names:
                self.s3.objects.pop(name, None)
            entries = "".join(f"<Deleted><Key>{escape(name)}</Key></Deleted>" for name in names)
            self.reply(200, f"<DeleteResult>{entries}</DeleteResult>".encode())
            return
        if upload := self.query.get("uploadId"):
            parts = self.s3.unfinished.pop(upload)
            self.s3.objects[self.name] = b"".join(parts[n] for n in sorted(parts))
            kind, inner = "CompleteMultipartUploadResult", "<ETag>x</ETag>"
        else:
            upload = f"u{len(self.s3.unfinished) + 1}"
            self.s3.unfinished[upload] = {}
            kind, inner = "InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>"
        self.reply(200, f"<{kind}><Bucket>bucket</Bucket><Key>{escape(self.name)}</Key>{inner}</{kind}>".encode())

    def do_GET(self) -> None:
        if "list-type" in self.query:
            names = sorted(name for name in self.s3.objects if name.startswith(self.query.get("prefix", "")))
            entries = "".join(
                f"<Contents><Key>{escape(name)}</Key><LastModified>2026-01-01T00:00:00Z</LastModified>"
                f"<Size>{len(self.s3.objects[name])}</Size><ETag>x</ETag></Contents>"
                for name in names
            )
            self.reply(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode())
        elif (content := self.s3.objects.get(self.name)) is None:
            self.reply(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self.reply(200, content, ETag='"x"', Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT")

    do_HEAD = do_GET  # noqa: N815

    def do_DELETE(self) -> None:
        if upload := self.query.get("uploadId"):
            self.s3.unfinished.pop(upload, None)
        else:
            self.s3.objects.pop(self.name, None)
        self.reply(204)
