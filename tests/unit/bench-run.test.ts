import { describe, expect, it } from 'vitest';
import type { BenchConfig, CaseResult } from '../../harness/bench/contract.js';
import { Died, type Host } from '../../harness/bench/hosts/host.js';
import { planOf } from '../../harness/bench/plan.js';
import { Run } from '../../harness/bench/run.js';
import { DownhillError } from '../../src/index.js';

/* What becomes of a run when places, processes and contenders fail. The hosts are made up; real ones: tests/gpu, browser. */

const CONFIG: BenchConfig = {
  scenarios: ['gemm'],
  peers: ['tfjs-wasm', 'js'],
  quick: true,
  seed: 0,
  slow: 0,
  sessions: 1,
};
const [ITEM] = planOf(CONFIG, ['node']);

function host(run: Host['run'], start: Host['start'] = () => Promise.reject(new Error('no start'))): Host {
  return {
    place: 'node',
    machine: async () => {
      throw new Died('the process ended by SIGSEGV', undefined);
    },
    run,
    start,
    close: async () => {},
  };
}

const result = (spec: CaseResult['spec'], { peers }: BenchConfig): CaseResult => ({
  spec,
  place: 'node',
  work: { unit: 'product' },
  baseline: 'downhill',
  contenders: ['downhill', ...peers].map((name) => ({ name, outcome: 'measured', iterations: 1, samples: [1] })),
  seconds: 1,
});

const runPart = async (run: Host['run']) => {
  const whole = new Run(CONFIG, { node: host(run) });
  await whole.part(ITEM!, () => {});
  return whole.report();
};

describe('a run', () => {
  it('goes on without the contender under which the process died, and reports it as failed', async () => {
    const tries: string[][] = [];
    const report = await runPart(async (spec, config) => {
      tries.push([...config.peers]);
      if (config.peers.includes('tfjs-wasm')) throw new Died('the process ended by SIGSEGV', 'tfjs-wasm');
      return result(spec, config);
    });
    expect(tries).toEqual([['tfjs-wasm', 'js'], ['js']]);
    const [only] = report.cases;
    expect(only!.error).toBeUndefined();
    expect(only!.contenders.map(({ name, outcome }) => `${name} ${outcome}`)).toEqual([
      'downhill measured',
      'js measured',
      'tfjs-wasm failed',
    ]);
    expect(only!.contenders[2]!.note).toBe('the process ended by SIGSEGV at its turn');
  });

  it('does not begin again when it was stopped', async () => {
    let tries = 0;
    const run = new Run(CONFIG, {
      node: host(() => {
        tries++;
        return Promise.reject(new Died('the process ended by SIGKILL', 'tfjs-wasm'));
      }),
    });
    expect(
      await run.part(
        ITEM!,
        () => {},
        () => true,
      ),
    ).toEqual([]);
    expect(tries).toBe(1);
  });

  it('keeps what the sessions before gave', async () => {
    let session = 0;
    const config = { ...CONFIG, sessions: 3 };
    const run = new Run(config, {
      node: host(async (spec, of) => {
        if (session++ === 2) throw new Died('the process ended by SIGKILL', 'downhill');
        return result(spec, of);
      }),
    });
    await run.part(ITEM!, () => {});
    const [only] = run.report().cases;
    expect(only!.error!.code).toBe('BROWSER-LOST');
    expect(only!.contenders[0]!.samples).toEqual([1, 1]);
  });

  it('reports a case that died under downhill itself as broken off', async () => {
    const report = await runPart(() => Promise.reject(new Died('the browser closed', 'downhill')));
    expect(report.cases[0]!.error).toMatchObject({
      code: 'BROWSER-LOST',
      message: 'The browser closed while downhill was at work.',
    });
  });

  it('reports a lost device, and whatever else a case throws', async () => {
    const lost = new DownhillError('DEVICE-LOST', 'The device is gone.', 'Start again.');
    expect((await runPart(() => Promise.reject(lost))).cases[0]!.error).toEqual({
      code: 'DEVICE-LOST',
      message: 'The device is gone.',
      fix: 'Start again.',
    });
    const other = await runPart(() => Promise.reject(new Error('what is this')));
    expect(other.cases[0]!.error).toMatchObject({ code: 'INTERNAL', message: 'what is this' });
  });

  it('refuses a place without an adapter before anything is measured', async () => {
    const run = new Run(CONFIG, { node: host(() => Promise.reject(new Error('never'))) });
    await expect(run.look()).rejects.toMatchObject({ code: 'NO-ADAPTER' });
  });

  it('measures starts round by round, and says who never started', async () => {
    const phases = { load: 10, device: 5, compile: 20, firstStep: 3, total: 38 };
    const started: string[] = [];
    const startHost = host(
      () => Promise.reject(new Error('never')),
      async (name) => {
        started.push(name);
        if (name === 'js') throw new Died('the process ended by SIGSEGV', undefined);
        return { first: phases, again: { ...phases, total: 19 } };
      },
    );
    const config = { ...CONFIG, scenarios: ['startup'] };
    const run = new Run(config, { node: startHost });
    await run.part(planOf(config, ['node'])[0]!, () => {});
    const [first, again] = run.report().cases;
    expect(started.join(' ')).toBe(`downhill tfjs-wasm js${' downhill tfjs-wasm'.repeat(4)}`);
    expect(first!.contenders[0]).toMatchObject({ samples: Array(5).fill(38), facts: { compileMs: 20 } });
    expect(again!.contenders[0]!.samples).toEqual(Array(5).fill(19));
    expect(first!.contenders[2]).toMatchObject({ outcome: 'failed', note: 'the process ended by SIGSEGV' });
  });
});
