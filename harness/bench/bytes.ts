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
    const { first } = await bundle(vite, code, peer);
    return {
      ...nothing,
      outcome: 'measured',
      facts: {
        gzipBytes: gzipBytes([first.join('')]),
        minifiedBytes: first.reduce((sum, text) => sum + Buffer.byteLength(text), 0),
      },
    };
  } catch (error) {
    const note = (error as Error).message.split('\n', 1)[0]!.slice(0, 200);
    return { ...nothing, outcome: /no bundler|not installed/.test(note) ? 'skipped' : 'failed', note };
  }
}

/** The ES modules that Vite makes of a user's code for browsers, of the built package (dist/lib). */
export interface Bundled {
  /** What a page loads at first: the entry, and what it imports. */
  readonly first: readonly string[];
  /** What it loads beside, once it asks for these modules of the package (the ends of their paths). */
  later(...modules: readonly string[]): readonly string[];
}

/** Bytes as a server sends them: every file compressed by itself. */
export const gzipBytes = (files: readonly string[]): number =>
  files.reduce((sum, text) => sum + gzipSync(text, { level: 9 }).length, 0);

export async function bundle({ build }: Bundler, code: string, peer = false): Promise<Bundled> {
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
  const closure = (roots: readonly string[]) => {
    const all = new Set(roots);
    for (const name of all) for (const other of chunks.get(name)!.imports) if (chunks.has(other)) all.add(other);
    return all;
  };
  const textOf = (name: string) => chunks.get(name)!.code;
  const named = (test: (chunk: NonNullable<ReturnType<(typeof chunks)['get']>>) => boolean) =>
    [...chunks.values()].filter(test).map(({ fileName }) => fileName);
  const first = closure(named(({ isEntry }) => isEntry));
  return {
    first: [...first].map(textOf),
    later: (...modules) => {
      const roots = modules.flatMap((module) => {
        const holders = named(({ moduleIds }) => moduleIds.some((id) => id.endsWith(module)));
        if (holders.length !== 1) throw new Error(`${module} is in ${holders.length} files of the bundle`);
        return holders;
      });
      return [...closure(roots)].filter((name) => !first.has(name)).map(textOf);
    },
  };
}
