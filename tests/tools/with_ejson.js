// bson of npm: documents, and extended JSON.
const { EJSON, Long, serialize, deserialize } = require("bson");
const { A, B, fate, row } = require("./fate.js");

const both = (make) => fate(...[A, B].map(make));
const number = (id) => `{"id":${id}}`;
const long = (id) => `{"id":{"$numberLong":"${id}"}}`;
const inner = (text) => {
  const { id } = JSON.parse(text);
  return id.$numberLong ?? id;
};

row(
  "`EJSON.parse(text)` of a number",
  both((id) => EJSON.parse(number(id)).id),
);
row(
  "`EJSON.parse(text, {relaxed: false})` of a number",
  both((id) => EJSON.parse(number(id), { relaxed: false }).id),
);
row(
  "`EJSON.parse(text)` of `$numberLong`",
  both((id) => EJSON.parse(long(id)).id),
);
row(
  "`EJSON.parse(text, {relaxed: false})` of `$numberLong`",
  both((id) => EJSON.parse(long(id), { relaxed: false }).id),
);
row(
  "`EJSON.parse(text, {useBigInt64: true})` of `$numberLong`",
  both((id) => EJSON.parse(long(id), { useBigInt64: true }).id),
);
row(
  "`EJSON.stringify({id: long})`",
  both((id) => inner(EJSON.stringify({ id: Long.fromString(id) }))),
);
row(
  "`EJSON.stringify({id: bigint})`",
  both((id) => inner(EJSON.stringify({ id: BigInt(id) }))),
);
row(
  "`EJSON.stringify({id: long}, {relaxed: false})`",
  both((id) => inner(EJSON.stringify({ id: Long.fromString(id) }, { relaxed: false }))),
);
row(
  "`serialize({id: number})`",
  both((id) => deserialize(serialize({ id: Number(id) })).id),
);
row(
  "`deserialize(bytes)` of a 64-bit integer",
  both((id) => deserialize(serialize({ id: Long.fromString(id) })).id),
);
row(
  "`deserialize(bytes, {useBigInt64: true})` of a 64-bit integer",
  both((id) => deserialize(serialize({ id: Long.fromString(id) }), { useBigInt64: true }).id),
);
