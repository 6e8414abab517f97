import { describe, expect, it } from 'vitest';
import { CHECKS, type CheckName } from '../../harness/checks/checks.js';
import { type CheckCommand, parseCheck } from '../../harness/checks/options.js';
import { main, needs } from '../../harness/cli.js';
import type { GradcheckReport } from '../../src/checks/index.js';
import { fakeIo } from '../support/cli.js';

const names = Object.keys(CHECKS) as CheckName[];
const parse = (name: CheckName, ...args: string[]) => parseCheck(name, args) as CheckCommand;

describe('the flags of the checks', () => {
  it('are those of a training, and their own where they are given', () => {
    const { own, config, open } = parse('gradcheck', '--eps', '1e-4', '--rows', '3', '--norm', 'layer', '--seed', '4');
    expect(own).toEqual({ eps: 1e-4, rows: 3 });
    expect(config).toMatchObject({ model: { norm: 'layer' }, seed: 4, sampling: 'full', data: { kind: 'digits' } });
    expect(open).toEqual({ sizes: false, loss: false });
    expect(parse('init-loss', '--data', 'csv:a.csv', '--target', 'price')).toMatchObject({
      own: {},
      open: { sizes: true, loss: true },
      config: { data: { kind: 'csv', target: ['price'] } },
    });
    const { optimizer } = parse('overfit-batch', '--optimizer', 'sgd', '--lr', '0.1', '--steps', '7').config;
    expect(optimizer).toMatchObject({ name: 'sgd', hyper: { lr: 0.1 } });
  });

  it.each([
    ['gradcheck', ['--rows', '0'], 'OPTION-RANGE'],
    ['gradcheck', ['--eps', 'x'], 'OPTION-TYPE'],
    ['gradcheck', ['--steps', '3'], 'OPTION-UNKNOWN'],
    ['init-loss', ['--elements', '3'], 'OPTION-UNKNOWN'],
    ['overfit-batch', ['--steps', '1.5'], 'OPTION-RANGE'],
    ['overfit-batch', ['--lr', '-1'], 'HYPER-RANGE'],
    ['overfit-batch', ['--model', '784'], 'SHAPE-INVALID'],
  ] as const)('of %s refuse %j', async (name, args, code) => {
    expect(() => parseCheck(name, args)).toThrow(expect.objectContaining({ code }));
    expect(await main([name, ...args], fakeIo())).toBe(2);
    expect(needs([name, ...args])).toMatchObject({ adapter: false, browser: false });
  });

  it.each(names)('of %s are told by --help, which needs no adapter', async (name) => {
    const io = fakeIo();
    expect(await main([name, '--help'], io)).toBe(0);
    const lines = io.out().split('\n');
    expect(lines[0]).toBe(`npx downhill ${name} [flags]`);
    for (const flag of Object.keys(CHECKS[name].fields)) expect(io.out()).toContain(`  --${flag} `);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(96);
    expect(needs([name, '--help'])).toEqual({ adapter: false, browser: false });
    expect(needs([name])).toEqual({ adapter: true, browser: false });
    for (const example of CHECKS[name].examples) expect(parseCheck(name, example.split(' ').slice(3))).not.toBe('help');
  });
});

it('a gradient that is wrong is red, and the line says so', () => {
  const tensor = { name: '0.weight', shape: [4, 3], checked: 12, kinks: 0, numeric: 1e-9, gpu: 0.3 };
  const report: GradcheckReport = { loss: { gpu: 1, reference: 1, error: 1e-8 }, tensors: [tensor], ok: false };
  const lines = CHECKS.gradcheck.lines(report, { paint: (style, text) => `<${style}>${text}`, columns: 90 });
  expect(lines[1]).toMatch(/0\.weight +4 × 3 +12 +1\.0e-9 +<red> *3\.0e-1/);
  expect(lines.at(-1)).toBe('  <red>not ok  the gradients do not agree');
});
