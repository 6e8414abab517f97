/** What the campaigns look with: one that cannot see a fault would pass for ever. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { CAMPAIGNS } from '../../harness/torture/campaigns.js';
import { testsOf } from '../../harness/torture/concerned.js';
import { calls, type Drawn } from '../../harness/torture/gpu/sequences.js';
import { brokenIn } from '../../harness/torture/kills.js';
import { EQUIVALENT, KINDS, sitesOf } from '../../harness/torture/mutations.js';
import { scratch } from '../support/cli.js';

const folder = scratch();
afterAll(folder.remove);
const root = join(import.meta.dirname, '../..');

const kernels = readdirSync(join(root, 'shaders'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.wgsl'))
  .map((path) => ({ name: path.replace(/\.wgsl$/, ''), text: readFileSync(join(root, 'shaders', path), 'utf8') }));

describe('mutations', () => {
  const changed = (text: string, kind: string) => sitesOf(text, kind).map(({ before, after }) => [before, after]);

  it.each<[kind: string, line: string, ...after: string[]]>([
    ['sign', 'let m = a + h.b * (g - a);', 'let m = a - h.b * (g - a);', 'let m = a + h.b * (g + a);'],
    ['epsilon', 'sqrt(v) * h.s + h.eps', 'sqrt(v + h.eps) * h.s', 'sqrt(v) * h.s'],
    ['epsilon', 'sqrt(v + h.eps)', '(sqrt(v) + h.eps)', 'sqrt(v)'],
    [
      'off by one',
      'for (var i = 0u; i < n; i++) { a[i + 1u] = 0; }',
      'for (var i = 1u; i < n; i++) { a[i + 1u] = 0; }',
      'for (var i = 0u; i + 1u < n; i++) { a[i + 1u] = 0; }',
      'for (var i = 0u; i < n; i++) { a[i] = 0; }',
    ],
    ['barrier', 'workgroupBarrier();', ''],
    [
      'fold',
      'for (var i = lane; i < n; i += WORKGROUP) { sum += part[i]; }',
      'for (var i = lane; i < n; i += WORKGROUP) { sum = part[i]; }',
      'for (var i = lane; i < n; i += 2u * WORKGROUP) { sum += part[i]; }',
    ],
    ['operands', 'select(a, b, c) * (x - y)', 'select(a, b, c) * (y - x)', 'select(b, a, c) * (x - y)'],
    ['operands', 'let r = x / total;', 'let r = total / x;'],
  ])('%s of %s', (kind, line, ...after) => {
    expect(changed(`// a + b - 1u);\n${line}\n`, kind)).toEqual(after.map((each) => [line, each]));
  });

  it('leave comments alone, and what the generator writes', () => {
    const text = '// a + b\nlet x = 1; // a + b\n// ---- Written by `npm run gen`\nlet y = a + b;\n';
    expect(sitesOf(text, 'sign')).toEqual([]);
    const [site] = sitesOf('let a = 1;\n  let x = b + c; // the sum + more\n', 'sign');
    expect(site).toEqual({
      ...{ line: 2, before: 'let x = b + c; // the sum + more', after: 'let x = b - c; // the sum + more' },
      text: 'let a = 1;\n  let x = b - c; // the sum + more\n',
    });
  });

  it('of every kind are found in the kernels; what is left out has a reason, and is there', () => {
    for (const kind of KINDS)
      expect(kernels.flatMap(({ text }) => sitesOf(text, kind)).length, kind).toBeGreaterThan(30);
    const lines = kernels.flatMap(({ text }) => text.split('\n')).map((line) => line.trim());
    for (const { kind, line, why } of EQUIVALENT) {
      expect(KINDS).toContain(kind);
      expect(why.length).toBeGreaterThan(20);
      expect(
        lines.some((each) => line.test(each)),
        String(line),
      ).toBe(true);
    }
  });

  it('of every kernel concern tests that are there', () => {
    for (const { name } of kernels) {
      const tests = testsOf(name);
      expect(tests.length, name).toBeGreaterThan(0);
      for (const file of tests.flatMap(({ files }) => files)) expect(existsSync(join(root, file)), file).toBe(true);
    }
    expect(testsOf('optim/schedule_free')[1]).toEqual({ files: ['tests/gpu/update.test.ts'], named: '^scheduleFree' });
  });
});

describe('what a killed run leaves', () => {
  const run = (name: string, metrics: string, config = '{}') => {
    mkdirSync(folder.path(name));
    writeFileSync(folder.path(name, 'metrics.jsonl'), metrics);
    writeFileSync(folder.path(name, 'config.json'), config);
    return brokenIn(folder.path(name));
  };

  it('is told where it is torn', async () => {
    expect(await run('whole', '{"step":1}\n{"step":2}\n')).toEqual([]);
    expect(await run('empty', '')).toEqual([]);
    expect(await run('cut', '{"step":1}\n{"st')).toEqual([expect.stringContaining(`torn line: '{"st'`)]);
    expect(await run('open', '{"step":1}')).toEqual([expect.stringContaining('torn line')]);
    expect(await run('mixed', '{"step":1}\n{"st{"step":2}\n')).toEqual([expect.stringContaining('torn line')]);
    expect(await run('config', '', '{"conf')).toEqual(['config.json is torn.']);
    mkdirSync(folder.path('whole', 'checkpoints'));
    writeFileSync(folder.path('whole', 'checkpoints', 'step-000020.safetensors'), 'half of one');
    expect(await brokenIn(folder.path('whole'))).toEqual([expect.stringMatching(/^No checkpoint loads/)]);
  });
});

it('a sequence calls most of what there is', () => {
  for (let seed = 0; seed < 20; seed++) {
    const drawn: Drawn[] = [];
    const take = fc.property(calls, (sequence) => void drawn.push(...sequence.filter((each) => each !== undefined)));
    fc.check(take, { seed, numRuns: 1 });
    for (const of of ['call', 'a', 'b'] as const)
      expect(new Set(drawn.map((each) => Math.floor(20 * each[of]))).size, `${of} of seed ${seed}`).toBeGreaterThan(9);
  }
});

it('docs/reliability.md has every campaign', () => {
  const page = readFileSync(join(root, 'docs/reliability.md'), 'utf8');
  for (const { name } of CAMPAIGNS) expect(page).toMatch(new RegExp(`^\\| \`${name.replace(/-chrome$/, '')}\``, 'm'));
});
