/** ONNX Runtime Web on its CPU backend, of harness/peers, which npm installs for tests/slow only. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensurePeerPackages } from '../../harness/setup/peers.mjs';

interface Ort {
  readonly env: { logLevel: string };
  readonly InferenceSession: {
    create(model: Uint8Array): Promise<{
      readonly inputNames: readonly string[];
      readonly outputNames: readonly string[];
      run(feeds: Record<string, object>): Promise<Record<string, { data: Float32Array; dims: readonly number[] }>>;
      release(): Promise<void>;
    }>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => object;
}

const PATH = join(import.meta.dirname, '../../harness/peers/node_modules/onnxruntime-web/dist/ort.node.min.mjs');
let loaded: Promise<Ort> | undefined;

/** What ONNX Runtime makes of rows of an input. */
export async function runOnnx(model: Uint8Array, x: Float32Array, rows: number): Promise<Float32Array> {
  loaded ??= (async () => {
    ensurePeerPackages();
    const ort = (await import(/* @vite-ignore */ pathToFileURL(PATH).href)) as Ort;
    ort.env.logLevel = 'error';
    return ort;
  })();
  const ort = await loaded;
  const session = await ort.InferenceSession.create(model);
  try {
    const [input, output] = [session.inputNames.join(), session.outputNames.join()];
    const result = (await session.run({ [input]: new ort.Tensor('float32', x, [rows, x.length / rows]) }))[output]!;
    if (result.dims[0] !== rows) throw new Error(`${result.dims[0]} rows of ${rows}`);
    return result.data;
  } finally {
    await session.release();
  }
}
