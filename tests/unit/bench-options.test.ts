import { describe, expect, it } from 'vitest';
import type { BenchConfig } from '../../harness/bench/contract.js';
import { benchHelp, parseBench, SCENARIO_HELP } from '../../harness/bench/options.js';
import { PEERS } from '../../harness/bench/peers.js';
import { planOf } from '../../harness/bench/plan.js';
import { BenchProgress } from '../../harness/bench/progress.js';
import { needs } from '../../harness/cli.js';
import { DownhillError } from '../../src/index.js';
import { fakeIo } from '../support/cli.js';
import { elementwiseNames } from '../support/rule-cases.js';

const parse = (...args: string[]) => {
  const command = parseBench(args);
  if (command === 'help') throw new Error('help');
  return command;
};
function refusal(...args: string[]): DownhillError {
  try {
    parseBench(args);
  } catch (error) {
    if (error instanceof DownhillError) return error;
    throw error;
  }
  throw new Error('accepted');
}

describe('bench: flags', () => {
  it('runs everything against everyone in Node by default', () => {
    expect(parse()).toMatchObject({
      places: ['node'],
      config: { scenarios: Object.keys(SCENARIO_HELP), peers: Object.keys(PEERS), quick: false, seed: 0, slow: 0 },
      json: false,
      page: false,
    });
  });

  it('takes scenarios, peers and places in an order of their own', () => {
    const { config, places } = parse('gemm', 'step', '--peers', 'js, tfjs-wasm', '--in=chrome,node', '--quick');
    expect(config).toMatchObject({ scenarios: ['step', 'gemm'], peers: ['tfjs-wasm', 'js'], quick: true });
    expect(places).toEqual(['node', 'chrome']);
    expect(parse('--peers', 'none').config.peers).toEqual([]);
  });

  it('takes single cases, also those that quick runs leave out, beside whole scenarios', () => {
    const { config } = parse('update/adam-4e6', 'readback', 'step/wide-1024-sgd', '--quick');
    expect(config.scenarios).toEqual(['step', 'update', 'readback']);
    expect(planOf(config, ['node']).map(({ spec }) => spec!.id)).toEqual([
      'step/wide-1024-sgd',
      'update/adam-4e6',
      'readback/lecture-64-sgd',
    ]);
    expect(parse('step').config.cases).toBeUndefined();
  });

  it.each([
    [['stepp'], 'OPTION-UNKNOWN', /no scenario 'stepp'.*step, scaling, population, update, gemm/, /step/],
    [['step/lectur-64-sgd'], 'OPTION-UNKNOWN', /no case 'step\/lectur-64-sgd'/, /'step\/lecture-64-sgd'/],
    [['nothing/at-all'], 'OPTION-UNKNOWN', /no scenario 'nothing'/, /./],
    [['startup/first'], 'OPTION-UNKNOWN', /no case 'startup\/first'/, /./],
    [['--peers', 'tfjs'], 'OPTION-UNKNOWN', /no peer 'tfjs'.*tfjs-webgpu, tfjs-wasm/, /./],
    [['--peers', ''], 'OPTION-TYPE', /--peers needs a value/, /help/],
    [['--in', 'firefox'], 'OPTION-UNKNOWN', /no place 'firefox'.*node, chrome/, /./],
    [['--quik'], 'OPTION-UNKNOWN', /no flag --quik/, /--quick/],
    [['--quick=yes'], 'OPTION-TYPE', /--quick is a switch and takes no value/, /--quick/],
    [['--seed', 'x'], 'OPTION-TYPE', /--seed/, /./],
    [['--slow', '-1'], 'OPTION-RANGE', /--slow/, /./],
    [['--connect', 'http://there'], 'OPTION-TYPE', /ws:\/\/ address/, /launch-server/],
    [['--connect', 'ws://there:1/x', '--in', 'node'], 'OPTION-RANGE', /--in chrome/, /./],
    [['--out'], 'OPTION-TYPE', /--out needs a value/, /./],
  ])('refuses %j', (args, code, message, fix) => {
    const error = refusal(...args);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.fix).toMatch(fix);
  });

  it('runs in the browser elsewhere that --connect names', () => {
    expect(parse('--connect', 'ws://there:1/x')).toMatchObject({ connect: 'ws://there:1/x', places: ['chrome'] });
  });

  it('has every scenario, peer and flag in its help', () => {
    const help = benchHelp();
    for (const name of [...Object.keys(SCENARIO_HELP), ...Object.keys(PEERS)]) expect(help).toContain(`  ${name} `);
    for (const flag of ['--in', '--peers', '--quick', '--out', '--compare', '--connect', '--page', '--json']) {
      expect(help).toContain(flag);
    }
    expect(Math.max(...help.split('\n').map((line) => line.length))).toBeLessThan(121);
  });
});

describe('bench: what the set-up prepares', () => {
  it.each([
    [['bench'], { adapter: true, browser: false, peers: true }],
    [['bench', '--in', 'chrome'], { adapter: false, browser: true, peers: true }],
    [['bench', '--in=node,chrome', '--peers=none'], { adapter: true, browser: true, peers: false }],
    [['bench', '--connect', 'ws://x'], { adapter: false, browser: false, peers: true }],
    [['bench', '--page'], { adapter: false, browser: false, peers: true }],
    [['bench', '--help'], { adapter: false, browser: false }],
  ])('%j', (args, expected) => expect(needs(args)).toEqual(expected));
});

describe('bench: the plan', () => {
  const config: BenchConfig = { ...parse().config };

  it('covers every rule of one kernel at every size, and the shapes and nets of the lecture', () => {
    const ids = planOf(config, ['node']).flatMap(({ spec }) => spec?.id ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    for (const name of elementwiseNames) {
      for (const size of ['1e4', '1e5', '1e6', '4e6', '1e7', '1e8', 'lecture'])
        expect(ids).toContain(`update/${name}-${size}`);
    }
    for (const id of ['lecture-1-sgd', 'lecture-64-sgd', 'lecture-1024-sgd', 'wide-1024-sgd', 'xor-4-sgd']) {
      expect(ids).toContain(`step/${id}`);
    }
    for (const id of ['scaling/batch', 'scaling/submit-xor-4-sgd', 'population/mlp-64', 'population/xor-4']) {
      expect(ids).toContain(id);
    }
    for (const op of ['forward', 'input-gradient', 'weight-gradient']) expect(ids).toContain(`gemm/skinny-16-${op}`);
  });

  it('is told in advance, and shorter with --quick', () => {
    const seconds = (quick: boolean) =>
      planOf({ ...config, quick, sessions: quick ? 1 : 3 }, ['node']).reduce((sum, item) => sum + item.seconds, 0);
    expect(seconds(true)).toBeGreaterThan(30);
    expect(seconds(true)).toBeLessThan(270);
    expect(seconds(false)).toBeGreaterThan(5 * seconds(true));
  });

  it('bundles once, wherever it runs', () => {
    const items = planOf(config, ['node', 'chrome']);
    expect(items.filter(({ scenario }) => scenario === 'bytes')).toHaveLength(1);
    expect(items.filter(({ scenario }) => scenario === 'startup')).toHaveLength(2);
  });

  it('says what is done and what is left', () => {
    const io = fakeIo();
    const items = planOf({ ...config, scenarios: ['step'], quick: true, sessions: 1 }, ['node']);
    const progress = new BenchProgress(io, items);
    progress.announce();
    progress.begin(items[0]!, 0);
    progress.update(0.5, 'js');
    progress.end('3.1 s', true);
    expect(io.err()).toMatch(/3 parts, about \d+ s\n {2}✓ step: lecture net, batch 64, SGD {2}3\.1 s, \d+.* left\n/);
    expect(io.out()).toBe('');
  });
});
