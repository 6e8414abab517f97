import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, posix, resolve } from 'node:path';
import { build } from 'vite';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../../harness/bench/bytes.js';
import { ensureBuild } from '../../harness/setup/build.mjs';

const root = resolve(import.meta.dirname, '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const node = (code: string) =>
  execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd: root, encoding: 'utf8' });

beforeAll(() => ensureBuild());

describe('the package', () => {
  it('has no runtime dependency, and a lock file that names no host', () => {
    expect(manifest.dependencies ?? {}).toEqual({});
    for (const lock of ['package-lock.json', 'tests/types/package-lock.json'])
      expect(readFileSync(join(root, lock), 'utf8')).not.toContain('"resolved"');
  });

  it('offers its entries by name, and importing them needs no WebGPU', () => {
    const code = `
      const entries = ['', '/node', '/kernels', '/reference', '/schedules', '/fields', '/onnx', '/checks', '/problems', '/search', '/landscape', '/bundle', '/shaders/optim/adam',
        '/interop/tfjs', '/interop/jax', '/interop/three', '/interop/typegpu', '/interop/ort'];
      const names = entries.map((entry) => 'downhill' + entry);
      for (const name of names) console.log(name, Object.keys(await import(name)).length);
      console.log(import.meta.resolve('downhill/shaders/optim/adam.wgsl'));
      const { default: manifest } = await import('downhill/shaders/manifest.json', { with: { type: 'json' } });
      const { default: vectors } = await import('downhill/vectors/adam.json', { with: { type: 'json' } });
      console.log(vectors.kernel, manifest.kernels[vectors.kernel].entryPoint);`;
    const out = node(code);
    expect(out.match(/^downhill\S* [1-9]\d*$/gm)).toHaveLength(18);
    expect(out).toMatch(/shaders\/optim\/adam\.wgsl/);
    expect(out).toMatch(/^optim\/adam update$/m);
  });

  it('takes one rule into a bundle where one rule is imported', async () => {
    const entry = join(root, 'dist/lib/index.js');
    const result = await build({
      configFile: false,
      logLevel: 'silent',
      build: {
        write: false,
        minify: false,
        rollupOptions: { input: 'virtual:entry', preserveEntrySignatures: 'strict' },
      },
      plugins: [
        {
          name: 'virtual-entry',
          resolveId: (id) => (id === 'virtual:entry' ? id : undefined),
          load: (id) => (id === 'virtual:entry' ? `export { sgd } from ${JSON.stringify(entry)};` : undefined),
        },
      ],
    });
    const chunks = [result].flat().flatMap((each) => ('output' in each ? each.output : []));
    const code = chunks.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('');
    expect(code).toContain('momentum_buffer');
    expect(code).not.toContain('exp_avg');
    expect(code).not.toContain('weight_gradient');
  });

  it.each([
    ['adam, createOptimizer', ['optim/adam', 'optim/advance']],
    // `average`: of the weights.
    ['adam, createTrainer, mlp, requestDevice', ['optim/adam', 'optim/advance', 'optim/average']],
  ])('loads no other rule’s kernels at first with %s', async (names, expected) => {
    const { first } = await bundle({ build }, `export { ${names} } from 'downhill';`);
    const kernels = [...first.join('').matchAll(/\bname:[`"'](optim\/[\w/]+)[`"']/g)].map(([, name]) => name);
    expect([...new Set(kernels)].sort()).toEqual(expected);
  });

  it('holds what it names, and what its documents link to', () => {
    const [packed] = JSON.parse(
      execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, encoding: 'utf8' }),
    );
    const files = new Set<string>(packed.files.map(({ path }: { path: string }) => path));
    for (const { default: target = '*' } of Object.values<{ default?: string }>(manifest.exports))
      expect(target.includes('*') || files.has(target.slice(2)), target).toBe(true);
    for (const named of manifest.files.filter((each: string) => !each.startsWith('!')))
      expect(
        [...files].some((path) => path.startsWith(named.replace(/\*.*$/, ''))),
        named,
      ).toBe(true);
    for (const shader of [...files].filter((path) => path.endsWith('.wgsl')))
      expect(files).toContain(`dist/lib/${shader.replace('.wgsl', '.gen.js')}`);

    for (const page of [...files].filter((path) => path.endsWith('.md'))) {
      const text = readFileSync(join(root, page), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
      for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
        const path = posix.join(posix.dirname(page), target!);
        // The lecture's pages, with their 1.4 MB of pictures and numbers, are in the repository alone.
        if (path.startsWith('docs/lecture/')) continue;
        expect(
          [...files].some((file) => file === path || file.startsWith(`${path}/`)),
          `${page}: ${target}`,
        ).toBe(true);
      }
    }

    // 2.8 MB and 8.5 MB with what draws PNG files, which a user's folder gets only when asked for.
    expect([...files].filter((path) => /\.(wasm|ttf)$/.test(path))).toEqual([]);
    // 1.5 MB with the training system: kernels of layers and losses, Papa Parse and protobuf inside ./csv and ./onnx. 2.1 MB with
    // kernels whose registers are written out: one for each rule, loss and kind of adapter. 2.7 MB with rules of several passes,
    // packed state and rows. They are in lib (where the command line has them from), bundle and pages: 4.5, 2.4 and 3.2 MB unpacked.
    // 3.2 MB with second order, problems, populations, search and their commands. 3.9 MB with the page's views, its pictures in docs/
    // and the workers, which have code of their own beside the kernels that they share with the page.
    expect(packed.size).toBeLessThan(4_200_000);
    expect(packed.unpackedSize).toBeLessThan(20_000_000);
  });
});
