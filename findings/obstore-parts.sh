#!/usr/bin/env bash
# A killed upload leaves a file in the local store that the store itself can neither list, measure nor delete.
#
# Version: obstore 0.12.1 (LocalStore).
# Seen on 30 November 2026.
#
# Behaviour. An object is written to `NAME#1` beside its place and renamed when it is complete. When the process is killed (kill -9) in
# between, that file stays. `list` leaves it out, `head` and `delete` refuse its name, and a second upload under the same name works
# beside it (as `NAME#2`).
#
# Output seen:
#   on disk after the kill: chat.bin#1
#   list: []
#   head('chat.bin#1'): GenericError
#   delete('chat.bin#1'): GenericError
#   on disk after the upload is sent again: chat.bin chat.bin#1
#
# Surprising because an audit, a quota or an erasure that walks the store through its own API sees an empty folder while the bytes of an
# interrupted upload stay on disk for ever.
set -euo pipefail
source "$(dirname "$0")/lib/parts.sh"
within 200 "$0" "$@"

python_packages obstore==0.12.1
cat >"$work/upload.py" <<'PY'
"""Uploads half of an object and waits to be killed."""
import asyncio, sys
from obstore.store import LocalStore
import obstore


async def halves():
    for _ in range(3):
        yield b"x" * (8 << 20)
    print("half", flush=True)
    await asyncio.sleep(120)


async def upload():
    await obstore.put_async(LocalStore(sys.argv[1]), "chat.bin", halves(), chunk_size=1 << 20)


asyncio.run(upload())
PY
cat >"$work/look.py" <<'PY'
import sys
from pathlib import Path
import obstore
from obstore.store import LocalStore

folder = Path(sys.argv[1])
store = LocalStore(folder)


def on_disk():
    return sorted(path.name for path in folder.iterdir())


def outcome(call, name):
    try:
        call(store, name)
        return "done"
    except Exception as error:
        return type(error).__name__


left = on_disk()
print("on disk after the kill:", *left)
listed = [entry["path"] for page in obstore.list(store) for entry in page]
print("list:", listed)
answers = {}
for call in (obstore.head, obstore.delete):
    answers[call.__name__] = outcome(call, left[0])
    print(f"{call.__name__}({left[0]!r}): {answers[call.__name__]}")
obstore.put(store, "chat.bin", b"y" * (9 << 20), chunk_size=1 << 20)
print("on disk after the upload is sent again:", *on_disk())
same = left == ["chat.bin#1"] and not listed and "done" not in answers.values() and "chat.bin#1" in on_disk()
sys.exit(0 if same else 3)
PY
mkdir "$work/store"
"$python" "$work/upload.py" "$work/store" >"$work/upload.txt" &
upload=$!
started+=("$upload")
until grep -q half "$work/upload.txt" && [[ -n $(ls "$work/store") ]]; do kill -0 "$upload" || changed "the upload ended"; sleep 0.2; done
kill -9 "$upload"
wait "$upload" 2>/dev/null || true
"$python" "$work/look.py" "$work/store" || changed "the part file is gone, listed or can be deleted"
