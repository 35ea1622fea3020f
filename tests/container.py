"""Creates a container in Azurite: PORT NAME. What it is signed with is Azurite's published key."""
import base64, datetime, hashlib, hmac, sys, urllib.request
port, name = sys.argv[1:]
account = "devstoreaccount1"
key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
date = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
headers = f"x-ms-date:{date}\nx-ms-version:2021-08-06"
text = "PUT" + "\n" * 12 + f"{headers}\n/{account}/{account}/{name}\nrestype:container"
signature = base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()
request = urllib.request.Request(f"http://127.0.0.1:{port}/{account}/{name}?restype=container", method="PUT")
for line in headers.split("\n"):
    request.add_header(*line.split(":", 1))
request.add_header("Authorization", f"SharedKey {account}:{signature}")
request.add_header("Content-Length", "0")
print(urllib.request.urlopen(request).status)
