import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { main, needs } from '../../harness/cli.js';
import { type LandscapeCommand, parseLandscape } from '../../harness/landscape/options.js';
import { GRID } from '../../harness/landscape/ways.js';
import { problems, resolveProblem } from '../../src/trajectory/index.js';
import { fakeIo, scratch } from '../support/cli.js';

const folder = scratch();
afterAll(folder.remove);
const parse = (...args: string[]) => parseLandscape(args) as LandscapeCommand;

async function run(...args: string[]) {
  const io = fakeIo();
  const code = await main(['landscape', ...args], io);
  return { code, out: io.out(), err: io.err() };
}

describe('the flags of downhill landscape', () => {
  it('have the problem’s start, the six rules and their best rates where nothing else is said', () => {
    const { problem, contenders, rates, start, steps, tolerance, in: place } = parse('ravine');
    expect(problem.row.name).toBe('ravine');
    expect(contenders.map(({ name }) => name)).toEqual(['sgd', 'momentum', 'nesterov', 'adagrad', 'rmsprop', 'adam']);
    expect([rates, start, steps, tolerance, place]).toEqual([undefined, [-7, 2], 100, 1e-3, 'cpu']);
    const [, momentum, nesterov] = contenders.map(({ rule }) => rule(0.1));
    expect(momentum!.hyper).toMatchObject({ lr: 0.1, momentum: 0.9, nesterov: false });
    expect(nesterov!.hyper).toMatchObject({ lr: 0.1, momentum: 0.9, nesterov: true });
    expect(GRID).toHaveLength(41);
    expect([GRID[0], GRID[40]]).toEqual([1e-4, 10]);
  });

  it('take rates, starts and settings of the problem', () => {
    expect(parse('saddle').rates).toEqual([0.01, 0.01, 0.01, 0.01, 0.01, 0.01]);
    const some = parse('rastrigin', '--optimizers', 'sgd, adam', '--lr', '0.1,1', '--start', '-1,2.5', '--seed', '4');
    expect([some.rates, some.start, some.seed]).toEqual([[0.1, 1], [-1, 2.5], 4]);
    expect(some.problem.n).toBe(2);
    expect(parse('trigonometric').problem.n).toBe(2);
    const noisy = parse('noisyQuadratic', '--spectrum', '1,5', '--sigma', '0.5');
    expect(noisy.problem.settings).toEqual({ spectrum: [1, 5], sigma: 0.5 });
  });

  it.each([
    [[], 'OPTION-TYPE'],
    [['ravine', 'saddle'], 'OPTION-TYPE'],
    [['ravin'], 'PROBLEM-UNKNOWN'],
    [['wood'], 'OPTION-RANGE'],
    [['logisticRegression'], 'OPTION-RANGE'],
    [['quadratic', '--spectrum', '1,2,3'], 'OPTION-RANGE'],
    [['quadratic', '--spectrum', '1,x'], 'OPTION-TYPE'],
    [['ravine', '--sigma', '1'], 'OPTION-UNKNOWN'],
    [['ravine', '--start', '1'], 'SHAPE-MISMATCH'],
    [['ravine', '--start', '1,NaN'], 'OPTION-RANGE'],
    [['ravine', '--start', 'a,b'], 'OPTION-TYPE'],
    [['ravine', '--steps', '0'], 'OPTION-RANGE'],
    [['ravine', '--lr', '0'], 'OPTION-RANGE'],
    [['ravine', '--lr', '0.1,0.2'], 'OPTION-RANGE'],
    [['ravine', '--lr', 'much'], 'OPTION-TYPE'],
    [['ravine', '--tolerance', '-1'], 'OPTION-RANGE'],
    [['ravine', '--optimizers', 'adm'], 'RULE-UNKNOWN'],
    [['ravine', '--optimizers', 'sgd,sgd,sgd,sgd,sgd,sgd,sgd,sgd,sgd'], 'OPTION-RANGE'],
    [['ravine', '--in', 'moon'], 'OPTION-RANGE'],
    [['ravine', '--out', 'picture.jpg'], 'OPTION-RANGE'],
    [['ravine', '--size', '3'], 'OPTION-UNKNOWN'],
  ])('refuse %j', async (args, code) => {
    expect(() => parseLandscape(args)).toThrow(expect.objectContaining({ code }));
    expect((await run(...args)).code).toBe(2);
  });

  it('are told by --help, and need an adapter only where the kernels run', async () => {
    const { code, out } = await run('--help');
    expect(code).toBe(0);
    expect(out).toMatch(/--optimizers NAMES[\s\S]*--lr X[\s\S]*--tolerance X/);
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(needs(['landscape', 'ravine']).adapter).toBe(false);
    expect(needs(['landscape', 'ravine', '--in', 'node']).adapter).toBe(true);
    expect(needs(['landscape', '--list', '--in', 'node']).adapter).toBe(false);
  });
});

it('docs/landscapes.md has every problem with its function', () => {
  const page = readFileSync('docs/landscapes.md', 'utf8');
  for (const [name, make] of Object.entries(problems)) {
    const line = page.split('\n').find((each) => each.startsWith(`| \`${name}\` |`));
    expect(line, name).toContain(make.row.formula[0]!.replaceAll('|', '\\|'));
  }
});

it('lists every problem', async () => {
  const { code, out } = await run('--list');
  expect(code).toBe(0);
  for (const name of Object.keys(problems)) expect(out).toMatch(new RegExp(`^  ${name} `, 'm'));
});

describe('downhill landscape', () => {
  it('draws every problem of two dimensions, with what its table says as JSON', async () => {
    for (const name of Object.keys(problems)) {
      const file = folder.path(`${name}.svg`);
      const { row, n } = resolveProblem(problems, name);
      if (n !== 2 && !('n' in row.fields)) continue;
      const { code, out, err } = await run(name, '--out', file, '--steps', '15', '--optimizers', 'sgd,adam', '--json');
      expect([name, code, err]).toEqual([name, 0, '']);
      const told = JSON.parse(out);
      expect(told).toMatchObject({ problem: name, steps: 15, place: 'float64, on the CPU', file });
      expect(told.optimizers).toHaveLength(2);
      expect(told.eigenvalues[0]).toBeGreaterThanOrEqual(told.eigenvalues[1]);
      const svg = readFileSync(file, 'utf8');
      expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
      expect(svg).not.toMatch(/NaN|Infinity|undefined/);
      // Both ways, in the picture and in the panel, and in the legend.
      for (const i of [0, 1])
        expect(svg.match(new RegExp(`<path [^>]*class="l${i}"`, 'g'))!.length).toBeGreaterThanOrEqual(3);
      expect(svg).toContain('prefers-color-scheme: dark');
    }
  });

  it('tells steps to the tolerance, the condition number and the limit of the rate', async () => {
    const file = folder.path('table.svg');
    const { code, out } = await run('ravine', '--steps', '200', '--out', file);
    expect(code).toBe(0);
    expect(out).toMatch(
      /condition number 64 \(eigenvalues 0\.0313 and 2\); gradient descent is\s+stable below\s+lr 1\n/,
    );
    expect(out).toMatch(/^ {2}optimizer +lr +final f +first below +stays below +ends at$/m);
    // The best rates of the grid: SGD's needs 141 steps.
    expect(out).toMatch(/^ {2}sgd +1? ?0?\.?\d* .* 141 +141 /m);
    expect(out).toMatch(/^ {2}rmsprop +\S+ +\S+ +4 +4 /m);
    expect(out).toContain(file);
  });

  it('takes minimizers, which have no rate and end by themselves', async () => {
    const file = folder.path('minimizer.svg');
    const { code, out, err } = await run('rosenbrock', '--optimizers', 'lbfgs,sgd', '--lr', '0.001', '--out', file);
    expect([code, err]).toEqual([0, '']);
    // L-BFGS of history 10 needs 34 to 38 rounds from here.
    expect(Number(/^ {2}lbfgs +\S+ +(\d+) /m.exec(out)![1])).toBeLessThan(40);
    expect(readFileSync(file, 'utf8')).not.toMatch(/NaN|undefined/);
  });

  it('tells of a saddle when it was left', async () => {
    const { out } = await run('saddle', '--steps', '1300', '--out', folder.path('left.svg'));
    const counts = [...out.matchAll(/^ {2}\w+ +0\.01 +\S+ +(\d+) /gm)].map(([, count]) => Number(count));
    expect(counts).toEqual([349, 72, 67, 1263, 17, 77]);
    expect(out).toMatch(/a saddle \(eigenvalues -2 and 2\)/);
  });

  it('draws ways that fly off, and PNG files', async () => {
    const file = folder.path('far.png');
    const { code, err } = await run('beale', '--lr', '5', '--out', file);
    expect([code, err]).toEqual([0, '']);
    expect([...readFileSync(file).subarray(1, 4)].map((each) => String.fromCharCode(each)).join('')).toBe('PNG');
  });

  it('overwrites a picture only when told to, and says what cannot be written', async () => {
    const file = folder.path('there.svg');
    writeFileSync(file, 'mine');
    expect(await run('booth', '--out', file)).toMatchObject({
      code: 1,
      err: expect.stringContaining('OUTPUT-UNWRITABLE'),
    });
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect((await run('booth', '--out', file, '--force')).code).toBe(0);
    expect(readFileSync(file, 'utf8')).toContain('<svg');
    const within = join(file, 'deeper.svg');
    expect(await run('booth', '--out', within)).toMatchObject({
      code: 1,
      err: expect.stringContaining('OUTPUT-UNWRITABLE'),
    });
  });
});
