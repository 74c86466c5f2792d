// protobufjs: a message with an int64, with the package long or without it ("without").
const protobuf = require("protobufjs");
const { A, B, fate, row } = require("./fate.js");

const Order = protobuf.parse('syntax = "proto3"; message Order { int64 id = 1; }').root.lookupType("Order");
// Tag 1, then the two IDs as varints.
const bytes = ["08818080f09ec7c1fd08", "08828080f09ec7c1fd08"].map((hex) => Buffer.from(hex, "hex"));
const decoded = bytes.map((each) => Order.decode(each));
const there_and_back = (id) => {
  const bytes = Order.encode(Order.fromObject({ id })).finish();
  return BigInt(Order.toObject(Order.decode(bytes), { longs: String, defaults: true }).id);
};
const through = (values) => fate(...values.map(there_and_back)).split(",")[0];

row("`decode(bytes).id`", fate(...decoded.map(({ id }) => id)));
row(
  "`toObject(message, {longs: String})`",
  fate(...decoded.map((each) => Order.toObject(each, { longs: String }).id)),
);
row(
  "`toObject(message, {longs: Number})`",
  fate(...decoded.map((each) => Order.toObject(each, { longs: Number }).id)),
);
row("`JSON.stringify(message)`", fate(...decoded.map((each) => JSON.parse(JSON.stringify(each)).id)));
row("`fromObject({id: string})`", through([A, B]));
row("`fromObject({id: number})`", through([Number(A), Number(B)]));
row("`fromObject({id: bigint})`", through([BigInt(A), BigInt(B)]));
