import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { needs } from '../../harness/cli.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { withPlan } from '../../harness/train/plan-file.js';
import { parseTune, type TuneCommand, tuneHelp } from '../../harness/tune/options.js';
import { fakeIo } from '../support/cli.js';

const folder = mkdtempSync(join(tmpdir(), 'downhill-tune-'));
afterAll(() => rmSync(folder, { recursive: true }));

const tuned = (...args: string[]) => parseTune(args) as TuneCommand;
const trained = (...args: string[]) => (parseTrain(args) as TrainCommand).config;

describe('the flags of tune', () => {
  it('are those of train that size its kernels, and its own', () => {
    const { config, out, json } = tuned('--model', '6-5-3', '--batch', '8', '--lr', '0.1', '--out', 'plan.json');
    expect(config).toMatchObject({ plan: 'measure', planBudgetMs: 10_000, batchSize: 8, steps: 1 });
    expect(config.model.sizes).toEqual([6, 5, 3]);
    expect({ out, json }).toEqual({ out: 'plan.json', json: false });
    expect(tuned('--budget', '0.5', '--epochs', '4').config).toMatchObject({ planBudgetMs: 500, steps: 1 });
    expect(tuned('--optimizer', 'sgd', '--nesterov', '--momentum', '0.9').config.optimizer.hyper.nesterov).toBe(true);
    expect(tuned('--no-nesterov', '--optimizer', 'sgd').config.optimizer.hyper.nesterov).toBe(false);
  });

  it.each([['--budget', '0'], ['--budget', 'long'], ['--profile'], ['--resume', 'runs/a'], ['--model', '3']])(
    'refuse %s %s',
    (...args) => {
      expect(() => parseTune(args)).toThrow(/OPTION-|SHAPE-/);
    },
  );

  it('stand in its help, and say what it needs', () => {
    expect(parseTune(['--help'])).toBe('help');
    for (const flag of ['budget', 'out', 'json', 'model', 'batch', 'optimizer', 'in'])
      expect(tuneHelp()).toContain(`  --${flag} `);
    expect(needs(['tune'])).toEqual({ adapter: true, browser: false });
    expect(needs(['tune', '--in', 'chrome'])).toEqual({ adapter: false, browser: true });
    expect(needs(['tune', '--help'])).toEqual({ adapter: false, browser: false });
  });
});

describe('--plan of train', () => {
  it('is pinned, as a run without it, or says who chooses', () => {
    expect(trained('--plan', 'pinned')).toEqual(trained());
    expect(trained()).not.toHaveProperty('plan');
    expect(trained('--plan', 'auto').plan).toBe('auto');
    expect(trained('--plan', 'measure').plan).toBe('measure');
    expect(trained('--plan', 'a/plan.json').plan).toEqual({ file: 'a/plan.json' });
  });

  it('reads a file; one of nonsense is told and left out, and only one that is not there ends it', () => {
    const file = join(folder, 'plan.json');
    const config = trained('--plan', file);
    expect(() => withPlan(config, fakeIo())).toThrow(/DATA-NOT-FOUND/);
    const plan = { format: 'downhill-plan/1', choice: {} };
    writeFileSync(file, JSON.stringify(plan));
    const io = fakeIo();
    expect(withPlan(config, io)).toEqual({ ...trained(), plan });
    expect(withPlan(trained(), io)).toEqual(trained());
    expect(io.err()).toBe('');
    for (const nonsense of ['', '{', 'null', '7', '[]', '{}']) {
      const heard = fakeIo();
      writeFileSync(file, nonsense);
      expect(withPlan(config, heard)).toEqual(trained());
      expect(heard.err()).toMatch(/is not used: it is no plan of downhill/);
    }
  });
});
