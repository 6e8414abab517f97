import type { Dataset } from '../data/dataset.js';
import type { Model } from '../nn/model.js';
import { modelToJson } from '../nn/model-json.js';
import type { Space } from '../space/space.js';
import type { Json } from '../space/stateful.js';
import { encodeFile } from './checkpoint-file.js';
import { describeData } from './data-json.js';
import { floatTensor, savedShape, transposed } from './saved-tensor.js';

/** A network alone, as a file. */
export function encodeWeights({
  step,
  model,
  data,
  tensors,
  space,
}: {
  readonly step: number;
  readonly model: Model;
  readonly data: Dataset;
  readonly tensors: Readonly<Record<string, Float32Array>>;
  readonly space: Space;
}): Uint8Array<ArrayBuffer> {
  const saved = space.tensors.map(
    ({ name, shape }) => [name, floatTensor(savedShape(shape), transposed(tensors[name]!, shape))] as const,
  );
  return encodeFile(step, new Map(saved), {
    model: modelToJson(model) as unknown as Json,
    data: describeData(data) as unknown as Json,
  });
}
