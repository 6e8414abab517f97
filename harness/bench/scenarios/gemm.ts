/** The three matrix products of a dense layer: x·W, dY·Wᵀ and Xᵀ·dY. */
import { DownhillError, describeAdapter } from '../../../src/index.js';
import { gemmLimit, worst } from '../../../src/reference/index.js';
import { places, uniform } from '../../common/random.js';
import type {
  BenchConfig,
  CaseSpec,
  Check,
  Contender,
  Environment,
  GemmPeer,
  GemmTask,
  OpenCase,
  Runner,
  Scenario,
} from '../contract.js';
import { downhillGemm } from '../ours/gemm.js';
import { slowed } from '../ours/slowed.js';
import { peerContenders, peersDoing } from './contenders.js';

interface Shape {
  readonly title: string;
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
  /** Left out of --quick. */
  readonly full?: boolean;
  /** Takes a CPU adapter, and CPUs, the better part of a minute for a single product. */
  readonly gpuOnly?: boolean;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  'square-256': { title: 'square', rows: 256, inputs: 256, outputs: 256 },
  'square-1024': { title: 'square', rows: 1024, inputs: 1024, outputs: 1024, full: true },
  'square-4096': { title: 'square', rows: 4096, inputs: 4096, outputs: 4096, full: true, gpuOnly: true },
  'skinny-16': { title: 'skinny', rows: 1024, inputs: 1024, outputs: 16, full: true },
  'lecture-first': { title: 'first layer of the lecture net', rows: 64, inputs: 784, outputs: 100 },
  'lecture-hidden': { title: 'hidden layer of the lecture net', rows: 64, inputs: 100, outputs: 100, full: true },
  'lecture-last': { title: 'last layer of the lecture net', rows: 64, inputs: 100, outputs: 10, full: true },
};

const OPS: Readonly<Record<GemmTask['op'], string>> = {
  forward: 'x·W',
  'input-gradient': 'dY·Wᵀ',
  'weight-gradient': 'Xᵀ·dY',
};

/** Places of a result that are computed again in float64. */
const CHECKED = 256;
/** Of the reference's limit: libraries may sum in one long chain, whose error is larger than that of a tree. */
const SLACK = 4;

export const gemm: Scenario = {
  name: 'gemm',
  help: 'matrix products of a layer forward and backward, in GFLOP/s: square, skinny, and those of the lecture net',
  cases: ({ quick }) =>
    Object.entries(SHAPES)
      .filter(([, shape]) => !(quick && shape.full))
      .flatMap(([id, { title, rows, inputs, outputs }]) =>
        Object.entries(OPS).map(([op, formula]) => ({
          scenario: 'gemm',
          id: `gemm/${id}-${op}`,
          title: `${formula}, ${title}: ${rows} rows, ${inputs} to ${outputs}`,
          parameters: { shape: id, op, rows, inputs, outputs },
        })),
      ),
  guess({ parameters }, config) {
    const { rows, inputs, outputs, gpuOnly } = SHAPES[parameters.shape as string]!;
    // A GPU's are quick.
    return { contenders: 1 + peersDoing('gemm', config).length, work: gpuOnly ? 0 : 2 * rows * inputs * outputs };
  },
  async open(spec: CaseSpec, config: BenchConfig, environment: Environment): Promise<OpenCase> {
    const op = spec.parameters.op as GemmTask['op'];
    const shape = SHAPES[spec.parameters.shape as string]!;
    const task = gemmTask(op, shape, config.seed);
    const ours: Contender = { name: 'downhill', open: async () => runner(await downhillGemm(task, environment)) };
    let checks = 0;
    const runner = (peer: GemmPeer): Runner => ({
      part: peer,
      run: (products) => peer.run(products),
      check: async () => {
        // Fresh operands every time: a result left from before would be wrong for them.
        const fresh = gemmTask(op, shape, config.seed + 10 * ++checks);
        await peer.set(fresh.a, fresh.b);
        return checkProduct(await peer.product(), fresh, config.seed);
      },
    });
    const { rows, inputs, outputs } = shape;
    const contenders = [
      slowed(ours, config.slow),
      ...peerContenders('gemm', config, environment, async (peer) => runner(await peer.gemm!(task, environment))),
    ];
    const tooLarge = shape.gpuOnly === true && (await onCpu(environment));
    return {
      work: { unit: 'product', flops: 2 * rows * inputs * outputs },
      baseline: 'downhill',
      contenders: contenders.map((each) =>
        tooLarge || (shape.gpuOnly && CPU_PEER.test(each.name)) ? leftOut(each.name) : each,
      ),
    };
  },
};

const CPU_PEER = /^js$|-wasm$/;

async function onCpu(environment: Environment): Promise<boolean> {
  const device = await environment.requestDevice('bench:adapter');
  const { cpu } = describeAdapter(device);
  device.destroy();
  return cpu;
}

const leftOut = (name: string): Contender => ({
  name,
  async open() {
    throw new DownhillError('PEER-UNAVAILABLE', 'one product takes a CPU too long to repeat', 'Run this on a GPU.');
  },
});

function gemmTask(op: GemmTask['op'], { rows, inputs, outputs }: Shape, seed: number): GemmTask {
  const [a, b] = {
    forward: [rows * inputs, inputs * outputs],
    'input-gradient': [rows * outputs, inputs * outputs],
    'weight-gradient': [rows * inputs, rows * outputs],
  }[op] as [number, number];
  return { op, rows, inputs, outputs, a: uniform(a, seed), b: uniform(b, seed + 1) };
}

/** Compares a sample of the result with float64. */
export function checkProduct(result: Float32Array, task: GemmTask, seed: number): Check {
  const { op, rows, inputs, outputs, a, b } = task;
  // Row and column of an element of the result, and where the k-th pair of its products lies.
  const forms = {
    forward: { height: rows, width: outputs, k: inputs, a: [inputs, 1], b: [1, outputs] },
    'input-gradient': { height: rows, width: inputs, k: outputs, a: [outputs, 1], b: [outputs, 1] },
    'weight-gradient': { height: inputs, width: outputs, k: rows, a: [1, inputs], b: [1, outputs] },
  } as const;
  const { height, width, k, a: strideA, b: strideB } = forms[op];
  if (result.length !== height * width) {
    return { ok: false, detail: `a result of ${result.length} numbers, expected ${height * width}` };
  }
  const at = places(height * width, CHECKED, seed);
  const expected = new Float64Array(at.length);
  const limits = new Float64Array(at.length);
  for (const [n, place] of at.entries()) {
    const [row, column] = [Math.floor(place / width), place % width];
    let sumAbs = 0;
    for (let i = 0; i < k; i++) {
      const product = a[row * strideA[0] + i * strideA[1]]! * b[column * strideB[0] + i * strideB[1]]!;
      expected[n]! += product;
      sumAbs += Math.abs(product);
    }
    limits[n] = SLACK * gemmLimit(k, sumAbs);
  }
  const { ratio } = worst(
    Float32Array.from(at, (place) => result[place]!),
    expected,
    (n) => limits[n]!,
  );
  const detail = `${at.length} of ${result.length} elements within ${ratio.toFixed(2)} of the limit of an f32 sum`;
  return { ok: ratio <= 1, detail };
}
