"""Creates a container of an S3 server (moto) or of Azurite and fills it from a folder: KIND PORT NAME [FOLDER].

What Azurite's requests are signed with is its published key; the S3 server looks at no signature.
"""
import base64, datetime, hashlib, hmac, pathlib, sys, urllib.parse, urllib.request

kind, port, container, *folder = sys.argv[1:]
account = "devstoreaccount1"
key = base64.b64decode("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")

SOMEBODY = "AWS4-HMAC-SHA256 Credential=id/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


def put(name, body, query=""):
    path = urllib.parse.quote(name)
    if kind == "s3":
        url, headers = f"http://127.0.0.1:{port}/{path}", {"Authorization": SOMEBODY}
    else:
        date = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = {"x-ms-date": date, "x-ms-version": "2021-08-06"}
        if not query:
            headers = {"x-ms-blob-type": "BlockBlob", **headers}
        lines = "".join(f"{header}:{value}\n" for header, value in headers.items())
        length = len(body) or ""
        binary = "application/octet-stream" if body else ""
        text = f"PUT\n\n\n{length}\n\n{binary}\n\n\n\n\n\n\n{lines}/{account}/{account}/{path}"
        text += "\n" + query.replace("=", ":") if query else ""
        signature = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
        headers["Authorization"] = f"SharedKey {account}:{signature}"
        url = f"http://127.0.0.1:{port}/{account}/{path}" + (f"?{query}" if query else "")
    headers["Content-Length"] = str(len(body))
    if body:
        headers["Content-Type"] = "application/octet-stream"
    urllib.request.urlopen(urllib.request.Request(url, data=body or None, headers=headers, method="PUT"))


if not folder:
    put(container, b"", "restype=container")
else:
    for file in pathlib.Path(folder[0]).rglob("*"):
        if file.is_file():
            put(f"{container}/{file.relative_to(folder[0])}", file.read_bytes())
