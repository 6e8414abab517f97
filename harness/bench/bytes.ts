/** The scenario `bytes`: what an import adds to a page, bundled, tree-shaken, minified and compressed as a server sends it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { packageRoot } from '../common/versions.js';
import type { CaseResult, ContenderResult, Place } from './contract.js';
import type { Progress } from './measure.js';

export const BYTES_HELP = "gzipped size of what a user's bundle gets, per entry and use, tree-shaken";

type Bundler = Pick<typeof import('vite'), 'build'>;

interface Use {
  readonly name: string;
  readonly code: string;
  /** A peer's package, which the bundler must find. */
  readonly peer?: boolean;
}

/** `downhill` is what most pages want: a network, one rule, data of their own. */
const USES: readonly Use[] = [
  { name: 'downhill', code: `export { createTrainer, mlp, adam, arrays, requestDevice } from 'downhill';` },
  { name: 'downhill createOptimizer', code: `export { createOptimizer, adam } from 'downhill';` },
  { name: 'downhill one rule', code: `export { adam } from 'downhill';` },
  { name: 'downhill everything', code: `export * from 'downhill';` },
  {
    name: 'downhill/kernels update',
    code: `export { createPasses, encodePass, lower, update, updateForms } from 'downhill/kernels';`,
  },
  { name: 'downhill/kernels all', code: `export * from 'downhill/kernels';` },
  { name: 'downhill/reference all', code: `export * from 'downhill/reference';` },
  {
    name: 'tfjs-webgpu',
    code: `import '@tensorflow/tfjs-backend-webgpu';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
export { tidy, tensor2d, variable, train, losses, relu, matMul, add } from '@tensorflow/tfjs-core';`,
    peer: true,
  },
  { name: 'jax-webgpu', code: `export { numpy, jit, valueAndGrad, nn, init } from '@jax-js/jax';`, peer: true },
];

export async function bytes(place: Place, progress: Progress): Promise<CaseResult> {
  const begin = performance.now();
  const contenders: ContenderResult[] = [];
  for (const [i, use] of USES.entries()) {
    progress(i / USES.length, use.name);
    contenders.push(await measureUse(use));
  }
  return {
    spec: {
      scenario: 'bytes',
      id: 'bytes/bundles',
      title: 'gzipped bytes of a bundle, by what is imported',
      parameters: {},
    },
    place,
    work: { unit: 'bundle' },
    baseline: 'downhill',
    contenders,
    seconds: (performance.now() - begin) / 1000,
  };
}

async function measureUse({ name, code, peer }: Use): Promise<ContenderResult> {
  const nothing = { name, iterations: 0, samples: [] };
  try {
    const vite = await import('vite').catch(() => {
      throw new Error('no bundler is installed here (vite)');
    });
    const text = await bundle(vite, code, peer);
    return {
      ...nothing,
      outcome: 'measured',
      facts: { gzipBytes: gzipSync(text, { level: 9 }).length, minifiedBytes: Buffer.byteLength(text) },
    };
  } catch (error) {
    const note = (error as Error).message.split('\n', 1)[0]!.slice(0, 200);
    return { ...nothing, outcome: /no bundler|not installed/.test(note) ? 'skipped' : 'failed', note };
  }
}

/** One ES module for browsers, as Vite makes it of a user's code; of the built package (dist/lib). */
export async function bundle({ build }: Bundler, code: string, peer = false): Promise<string> {
  const root = packageRoot();
  // Packages are looked for from here: a peer's from the harness' own, ours from the package itself.
  const from = join(root, peer ? 'harness/peers/entry.js' : 'entry.js');
  const wanted = /from '([^']+)'/.exec(code)![1]!;
  if (peer && !existsSync(join(root, 'harness/peers/node_modules', wanted)))
    throw new Error(`${wanted} is not installed`);
  const result = await build({
    configFile: false,
    root,
    logLevel: 'silent',
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      modulePreload: false,
      rollupOptions: {
        input: from,
        preserveEntrySignatures: 'strict',
        output: { format: 'es' },
      },
    },
    plugins: [
      {
        name: 'entry',
        enforce: 'pre',
        resolveId: (id: string) => (id === from ? id : undefined),
        load: (id: string) => (id === from ? code : undefined),
      },
    ],
  });
  const outputs = [result].flat().flatMap((each) => ('output' in each ? each.output : []));
  const chunks = new Map(outputs.flatMap((each) => (each.type === 'chunk' ? [[each.fileName, each] as const] : [])));
  // What a page loads at first: parts that are imported when they are asked for come later, or never.
  const first = new Set([...chunks.values()].filter(({ isEntry }) => isEntry));
  for (const { imports } of first) for (const name of imports) if (chunks.has(name)) first.add(chunks.get(name)!);
  return [...first].map(({ code: text }) => text).join('');
}
