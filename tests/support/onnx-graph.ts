import { create, toBinary } from '@bufbuild/protobuf';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProto_DataType,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';

/** A value of a graph: its name and shape, all float32. */
type Value = readonly [name: string, ...shape: number[]];

/** An ONNX model of nodes without attributes: [operator, inputs, output]. */
export function onnxModel(
  inputs: readonly Value[],
  nodes: readonly (readonly [op: string, inputs: readonly string[], output: string])[],
  output: Value,
): Uint8Array {
  const value = ([name, ...shape]: Value) => {
    const dim = shape.map((size) =>
      create(TensorShapeProto_DimensionSchema, { value: { case: 'dimValue', value: BigInt(size) } }),
    );
    const tensor = create(TypeProto_TensorSchema, {
      elemType: TensorProto_DataType.FLOAT,
      shape: create(TensorShapeProtoSchema, { dim }),
    });
    return create(ValueInfoProtoSchema, {
      name,
      type: create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } }),
    });
  };
  const graph = create(GraphProtoSchema, {
    name: 'test',
    node: nodes.map(([opType, input, out], i) =>
      create(NodeProtoSchema, { name: `node-${i}`, opType, input: [...input], output: [out] }),
    ),
    input: inputs.map(value),
    output: [value(output)],
  });
  const opsetImport = [create(OperatorSetIdProtoSchema, { domain: '', version: 17n })];
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n, opsetImport, graph }));
}
