"""bson of pymongo: a document, and its extended JSON."""

import json

from bson import decode, encode, json_util
from fate import A, B, fate, row

row('`decode(encode({"id": id}))`', fate(*[decode(encode({"id": id}))["id"] for id in (A, B)]))
dumped = [json.loads(json_util.dumps({"id": id}))["id"] for id in (A, B)]
row('`json_util.dumps({"id": id})`', fate(*dumped).replace("exact", "exact, numbers"))
row(
    '`json_util.loads(json_util.dumps({"id": id}))`',
    fate(*[json_util.loads(json_util.dumps({"id": id}))["id"] for id in (A, B)]),
)
options = json_util.CANONICAL_JSON_OPTIONS
texts = [json.loads(json_util.dumps({"id": id}, json_options=options))["id"]["$numberLong"] for id in (A, B)]
row("`$numberLong` of `CANONICAL_JSON_OPTIONS`", fate(*texts))
