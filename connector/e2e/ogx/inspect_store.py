"""Checks a store with OpenAI's Python SDK: python inspect_store.py BASE_URL STORE

Standard input is JSON. "documents" maps each key to its attributes. "others" are the ids of
Files that are not of a document. "stale" are the keys whose attributes an update has changed:
OGX searches by the attributes of the attach. "lost" is how many completed documents OGX's
search may have lost. Prints one line for each difference.
"""

import collections
import json
import sys

import openai

base_url, store = sys.argv[1:]
want = json.load(sys.stdin)
client = openai.OpenAI(base_url=base_url, api_key="sk-look", max_retries=0)
wrong = []

files = list(client.vector_stores.files.list(store, limit=100))


def key_of(attributes):
    parts = sorted(n for n in attributes if n.startswith("vs_key"))
    return "".join(attributes[n] for n in parts)


ids_by_key = collections.defaultdict(list)
for f in files:
    attributes = dict(f.attributes or {})
    key = key_of(attributes)
    ids_by_key[key].append(f.id)
    if f.status != "completed":
        wrong.append(f"{key!r}: the store file {f.id} is {f.status}: {f.last_error}")
    expected = want["documents"].get(key)
    own = {n: v for n, v in attributes.items() if not n.startswith("vs_")}
    if expected is None:
        wrong.append(f"{key!r}: no test has put it")
    elif own != expected:
        wrong.append(f"{key!r}: attributes {own}, want {expected}")
for key, ids in ids_by_key.items():
    if len(ids) > 1:
        wrong.append(f"{key!r}: there {len(ids)} times: {ids}")
for key in want["documents"]:
    if key not in ids_by_key:
        wrong.append(f"{key!r}: missing")

counts = client.vector_stores.retrieve(store).file_counts
if (counts.total, counts.completed) != (len(want["documents"]), len(want["documents"])):
    wrong.append(f"the store counts {counts}, want {len(want['documents'])} completed")

uploaded = {f.id: f.filename for f in client.files.list()}
attached = {f.id for f in files}
for id in attached - uploaded.keys():
    wrong.append(f"the store file {id} has no File")
for id in uploaded.keys() - attached - set(want["others"]):
    wrong.append(f"the File {id} {uploaded[id]!r} is attached nowhere")
for id in set(want["others"]) - uploaded.keys():
    wrong.append(f"the File {id}, which is not of a document, was deleted")

lost = []
for key, attributes in want["documents"].items():
    if not want["search"] or "id" not in attributes or key in want["stale"] or key not in ids_by_key:
        continue
    found = client.vector_stores.search(
        store,
        query=key,
        filters={"type": "eq", "key": "id", "value": attributes["id"]},
    )
    # The file_id of a hit is OGX's own; the File's is among the attributes.
    hits = {h.attributes["file_id"] for h in found}
    if not hits:
        lost.append(key)
    elif hits != set(ids_by_key[key]):
        wrong.append(f"{key!r}: a search by its attribute finds {hits}, want {ids_by_key[key]}")

if len(lost) > want["lost"]:
    wrong.append(f"a search by their attributes does not find {lost}")

print("\n".join(wrong))
