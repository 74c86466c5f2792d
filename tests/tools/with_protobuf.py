"""protobuf: the JSON mapping of a message with an int64, and of a Struct."""

import json

from fate import A, B, fate, row
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.json_format import MessageToJson, Parse, ParseDict
from google.protobuf.struct_pb2 import Struct

file = descriptor_pb2.FileDescriptorProto(name="ids.proto", package="ids", syntax="proto3")
field = descriptor_pb2.FieldDescriptorProto
file.message_type.add(name="Order").field.add(
    name="id", number=1, type=field.TYPE_INT64, label=field.LABEL_OPTIONAL
)
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
Order = message_factory.GetMessageClass(pool.FindMessageTypeByName("ids.Order"))


def parsed(form):
    return fate(*[Parse(form % id, Order()).id for id in (A, B)])


row("`MessageToJson`", fate(*[json.loads(MessageToJson(Order(id=id)))["id"] for id in (A, B)]))
row("`Parse` of a string", parsed('{"id": "%d"}'))
row("`Parse` of a number", parsed('{"id": %d}'))
row("`Parse` of a number that ends in `.0`", parsed('{"id": %d.0}'))
row("`Parse` of a string that ends in `.0`", parsed('{"id": "%d.0"}'))
row("`ParseDict` of a `float`", fate(*[ParseDict({"id": float(id)}, Order()).id for id in (A, B)]))
row("a number in a `Struct`", fate(*[Parse('{"id": %d}' % id, Struct())["id"] for id in (A, B)]))
row("a string in a `Struct`", fate(*[Parse('{"id": "%d"}' % id, Struct())["id"] for id in (A, B)]))
