import { describeAdapter } from '../../src/index.js';
import {
  createPasses,
  dense,
  denseInputGradient,
  denseWeightGradient,
  encodePass,
  loadForms,
  lower,
  type Op,
  range,
  rowStride,
  wholePiece,
} from '../../src/kernels/index.js';
import { requestDevice } from '../../src/node/index.js';

/*
 * Every form of every product beside the others on this machine's adapter:
 *
 *   node harness/run.mjs harness/bench/forms.ts [sizes] [forms]
 *
 * sizes: 256 for 256³, 64x784x100 for rows x inputs x outputs, several with commas between; forms: part of their names, likewise.
 * Of each a line: GFLOP/s of the fastest round and of the median one, and the process's CPU time for a product.
 */

interface Sizes {
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
}

const ROUNDS = 5;
/** A round of one form is repeated until it takes about as long. */
const ROUND_MS = 100;
const SIZES = '256,512,1024,2048,4096,1024x1024x16,64x784x100';

function sizesOf(text: string): Sizes {
  const [rows, inputs = rows, outputs = rows] = text.split('x').map(Number);
  if (!rows || !inputs || !outputs) throw new Error(`${text}: sizes are 256 or 64x784x100, with commas between them`);
  return { rows, inputs, outputs };
}

type Matrices = Readonly<Record<'x' | 'w' | 'y', GPUBuffer>>;

function products({ rows, inputs, outputs }: Sizes, { x, w, y }: Matrices): Readonly<Record<string, Op>> {
  const shape = { label: 'forms/product', rows, inputs, outputs };
  const weight = [wholePiece(range(w), inputs * outputs)];
  return {
    dense: dense({ ...shape, x: range(x), weight, y: range(y) }),
    'dense-input-gradient': denseInputGradient({ ...shape, dy: range(y), weight, dx: range(x) }),
    'dense-weight-gradient': denseWeightGradient({ ...shape, x: range(x), dy: range(y), weight }),
  };
}

/** What one form does with one product, a batch of `repeats` at a time: until the GPU is done. */
async function runner(device: GPUDevice, op: Op, form: string) {
  const forms = await loadForms(device, true);
  const passes = await createPasses(device, lower([op], forms, device, { product: form }).passes);
  return async (repeats: number) => {
    const [start, cpu] = [performance.now(), process.cpuUsage()];
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < repeats; i++) for (const each of passes) encodePass(each, pass);
    pass.end();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    const { user, system } = process.cpuUsage(cpu);
    return { ms: (performance.now() - start) / repeats, cpu: (user + system) / 1000 / repeats };
  };
}

async function measure(device: GPUDevice, sizes: Sizes, wanted: readonly string[]): Promise<void> {
  const { rows, inputs, outputs } = sizes;
  const buffer = (floats: number) => device.createBuffer({ size: 256 * Math.ceil(floats / 64), usage: 0x8c });
  const matrices = {
    x: buffer(rows * rowStride(inputs)),
    w: buffer(inputs * outputs),
    y: buffer(rows * rowStride(outputs)),
  };
  for (const [kind, op] of Object.entries(products(sizes, matrices))) {
    const contenders = [];
    for (const { name, match } of await loadForms(device, true)) {
      if (!name.startsWith(`${kind}/`) || match([op], 0, device) === 0) continue;
      if (!wanted.some((part) => name.includes(part))) continue;
      const run = await runner(device, op, name);
      await run(1); // compiles, on some drivers
      const repeats = Math.max(1, Math.round(ROUND_MS / (await run(1)).ms));
      contenders.push({ name, run, repeats, found: [] as { ms: number; cpu: number }[] });
    }
    for (let round = 0; round < ROUNDS; round++)
      for (const each of contenders) each.found.push(await each.run(each.repeats));
    for (const { name, found } of contenders) {
      found.sort((a, b) => a.ms - b.ms);
      const [least, median] = [found[0]!, found[ROUNDS >> 1]!];
      const rate = (ms: number) => ((2 * rows * inputs * outputs) / ms / 1e6).toFixed(1).padStart(9);
      const size = `${rows}x${inputs}x${outputs}`;
      console.log(
        `${size.padEnd(15)} ${name.padEnd(40)} ${rate(least.ms)} ${rate(median.ms)}  ${median.cpu.toFixed(3)}`,
      );
    }
  }
  for (const each of Object.values(matrices)) each.destroy();
}

export async function main([sizes = SIZES, forms = '']: readonly string[]): Promise<number> {
  const device = await requestDevice();
  console.log(`${describeAdapter(device).name}: GFLOP/s at best, in the median; ms of CPU a product`);
  for (const each of sizes.split(',').map(sizesOf)) await measure(device, each, forms.split(','));
  device.destroy();
  return 0;
}
