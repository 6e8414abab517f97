/** Writes an ONNX graph: a chain of nodes, each taking what the one before gave, with constants beside it. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';

/** LayerNormalization came with 17; every runtime of the last years has it. */
const OPSET = 17n;
/** Of the file's form: that of opset 17. */
const IR_VERSION = 8n;

export const INPUT = 'input';
export const OUTPUT = 'output';

/** Integers are given as bigint, as protobuf has them; numbers are floats. */
type Attributes = Readonly<Record<string, number | bigint>>;

export class Graph {
  readonly #nodes: NodeProto[] = [];
  readonly #constants = new Map<string, TensorProto>();

  /** @returns the name of what the node gives */
  node(opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const name = `${opType}_${this.#nodes.length}`;
    const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value));
    this.#nodes.push(create(NodeProtoSchema, { name, opType, input: [...inputs], output: [name], attribute }));
    return name;
  }

  /** @returns `name`, by which nodes take it */
  constant(name: string, shape: readonly number[], values: ArrayLike<number>): string {
    const { buffer } = Float32Array.from(values);
    this.#constants.set(
      name,
      create(TensorProtoSchema, {
        name,
        dataType: TensorProto_DataType.FLOAT,
        dims: shape.map(BigInt),
        rawData: new Uint8Array(buffer),
      }),
    );
    return name;
  }

  /** Does the same to every column of x with a number of its own, or with one for all; nothing where all are `neutral`. */
  columns(opType: string, x: string, name: string, values: readonly number[], neutral: number): string {
    if (values.every((value) => value === neutral)) return x;
    return this.node(opType, [x, this.constant(name, values.length === 1 ? [] : [values.length], values)]);
  }

  /** A number that several nodes may take. */
  number(value: number): string {
    return this.constant(`number_${value}`, [], [value]);
  }

  /**
   * The file: `last` is what the graph gives, a matrix as its input is, of any number of rows.
   *
   * @param texts for whoever looks into the file
   */
  encode(
    last: string,
    widths: { readonly input: number; readonly output: number },
    texts: Readonly<Record<string, string>>,
  ) {
    const value = (name: string, width: number) =>
      create(ValueInfoProtoSchema, {
        name,
        type: create(TypeProtoSchema, {
          value: {
            case: 'tensorType',
            value: create(TypeProto_TensorSchema, {
              elemType: TensorProto_DataType.FLOAT,
              shape: create(TensorShapeProtoSchema, {
                dim: [
                  create(TensorShapeProto_DimensionSchema, { value: { case: 'dimParam', value: 'batch' } }),
                  create(TensorShapeProto_DimensionSchema, { value: { case: 'dimValue', value: BigInt(width) } }),
                ],
              }),
            }),
          },
        }),
      });
    const final = this.#nodes.at(-1);
    if (final?.name === last) final.output = [OUTPUT];
    else
      this.#nodes.push(create(NodeProtoSchema, { name: OUTPUT, opType: 'Identity', input: [last], output: [OUTPUT] }));
    const { version = '', ...more } = texts;
    const model = create(ModelProtoSchema, {
      irVersion: IR_VERSION,
      opsetImport: [create(OperatorSetIdProtoSchema, { domain: '', version: OPSET })],
      producerName: 'downhill',
      producerVersion: version,
      graph: create(GraphProtoSchema, {
        name: 'downhill',
        node: this.#nodes,
        initializer: [...this.#constants.values()],
        input: [value(INPUT, widths.input)],
        output: [value(OUTPUT, widths.output)],
      }),
      metadataProps: Object.entries(more).map(([key, text]) =>
        create(StringStringEntryProtoSchema, { key, value: text }),
      ),
    });
    return toBinary(ModelProtoSchema, model) as Uint8Array<ArrayBuffer>;
  }
}

function attributeOf(name: string, value: number | bigint): AttributeProto {
  return typeof value === 'bigint'
    ? create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: value })
    : create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value });
}
