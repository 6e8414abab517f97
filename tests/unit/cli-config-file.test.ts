import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { COMMAND_RULES } from '../../harness/common/settings.js';
import type { TrainConfig } from '../../harness/train/config.js';
import { withConfigFile } from '../../harness/train/config-file.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { commandOf, flagsOf } from '../../harness/train/spell.js';

/* A run's configuration as flags, and flags by --config: what comes out is what went in. */

const folder = mkdtempSync(join(tmpdir(), 'downhill-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const parsed = (args: readonly string[]): TrainConfig => (parseTrain(args) as TrainCommand).config;
const spelled = (config: TrainConfig): string[] =>
  [...flagsOf(config)].map(([name, value]) => (value === '' ? `--${name}` : `--${name}=${value}`));

const file = (content: unknown, name = 'run.json'): string => {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

const MANY = [
  [],
  ['--samples', '500', '--model', '784-10', '--epochs', '3', '--batch', '7', '--seed', '9', '--in', 'chrome'],
  ['--data', 'spirals', '--points', '300', '--noise', '0.1', '--activation', 'tanh'],
  ['--data', 'xor'],
  ['--data', 'mnist', '--scale', 'unit', '--sampling', 'full', '--steps', '30'],
  ['--data', 'idx:/some/where', '--norm', 'batch', '--dropout', '0.25', '--init', 'xavier-normal', '--gain', 'auto'],
  [
    '--data',
    'csv:/a b/it’s.csv',
    '--target',
    'x,y',
    '--ignore',
    'z',
    '--missing',
    'median,z=category',
    '--loss',
    'mse',
  ],
  ['--data', 'csv:/a.csv', '--target', 'x', '--delimiter', 'tab', '--decimal', ',', '--model', '4-3'],
  ['--data', 'npy:/x.npy,/y.npy', '--model', '3-2', '--loss', 'softmax-cross-entropy'],
  ['--label-smoothing', '0.1', '--penalty-l1', '1e-7', '--penalty-l2', '0.001', '--mixup', '0.2', '--cutout', '6'],
  ['--clip-norm', '1', '--clip-value', '0.5', '--drop-last', '--profile', '--save-every', '9', '--keep', '2'],
  ['--wrap', 'cautious,lookahead=5', '--plan', 'auto'],
  ['--schedule', 'cosine', '--warmup', '10', '--min-lr', '1e-5'],
  ['--schedule', 'multistep', '--milestones', '3,5', '--gamma', '0.3', '--steps', '10'],
  ['--schedule', 'wsd', '--decay-steps', '5', '--decay-type', 'linear'],
  ['--warmup', '3'],
  ['--validation', '0.1', '--validate-every', '2epochs', '--patience', '3', '--stop-metric', 'accuracy'],
  ['--validation', '0.2', '--validate-every', '50'],
  ['--optimizer', 'sgd', '--lr', '0.1', '--momentum', '0.9', '--nesterov'],
  ['--optimizer', 'adamw', '--betas', '0.8,0.99', '--weight-decay', '0'],
  ['--optimizer', 'lbfgs', '--epochs', '10'],
  ...Object.keys(COMMAND_RULES).map((name) => ['--optimizer', name]),
];

test.each(MANY.map((args) => [args.join(' '), args] as const))(
  'flags that say a configuration give it: %s',
  (_, args) => {
    const config = parsed(args);
    expect(parsed(spelled(config))).toEqual(config);
    // By way of a file, with what the page and a run's folder write beside it.
    const path = file({ config, name: 'x', metrics: {}, steps: 3 });
    const { args: all, note } = withConfigFile(['--config', path]);
    const command = parseTrain(all) as TrainCommand;
    expect(command.config).toEqual(config);
    expect(command.open).toEqual({ sizes: false, loss: false });
    expect(note).toBeUndefined();
  },
);

test('a command is short where little is unusual, and safe for a shell', () => {
  expect(commandOf(parsed([]))).toBe('npx downhill train');
  expect(commandOf(parsed(['--optimizer', 'sgd', '--lr', '0.1', '--nesterov', '--momentum', '0.9']))).toBe(
    'npx downhill train --optimizer sgd --lr 0.1 --momentum 0.9 --nesterov',
  );
  const odd = parsed(['--data', "csv:/tmp/it's; rm -rf.csv", '--target', 'y']);
  expect(commandOf(odd)).toContain(`'csv:${resolve("/tmp/it's; rm -rf.csv").replace("'", "'\\''")}'`);
});

test('flags beside --config stand in place of what the file says', () => {
  const config = parsed([
    '--samples',
    '500',
    '--optimizer',
    'sgd',
    '--lr',
    '0.1',
    '--momentum',
    '0.9',
    '--batch',
    '10',
  ]);
  const path = file({ config });
  const withFlags = (...more: string[]) => parsed(withConfigFile(['--config', path, ...more]).args);
  expect(withFlags('--lr', '0.5')).toEqual({
    ...config,
    optimizer: { ...config.optimizer, hyper: { ...config.optimizer.hyper, lr: 0.5 } },
  });
  expect(withFlags('--steps', '20')).toMatchObject({ steps: 20 });
  expect(withFlags('--steps', '20').epochs).toBeUndefined();
  expect(withFlags('--sampling', 'full').batchSize).toBeUndefined();
  expect(withFlags('--optimizer', 'adam').optimizer).toEqual(parsed([]).optimizer);
  expect(withFlags('--data', 'moons', '--model', '2-8-2').data).toMatchObject({ kind: 'moons' });
  const other = parseTrain(withConfigFile([`--config=${path}`, '--out', 'x', '--force', '--json']).args);
  expect(other).toMatchObject({ out: 'x', force: true, json: true, config });
});

test('what was changed on the way is said, and a measured plan comes along', () => {
  const plan = { format: 'x' };
  const path = file({ config: { ...parsed([]), plan }, changes: [{ step: 3, text: 'lr 1' }] });
  const { note, plan: own } = withConfigFile(['--config', path]);
  expect(note).toMatch(/was changed 1 times/);
  expect(own).toEqual(plan);
});

const bad = (content: unknown, name?: string) => () => withConfigFile(['--config', file(content, name)]);

test('a file that is none is refused in words, before anything else', () => {
  const config = parsed([]);
  expect(() => withConfigFile(['--config', join(folder, 'nowhere.json')])).toThrow(/DATA-NOT-FOUND/);
  expect(() => withConfigFile(['--config', folder])).toThrow(/DATA-NOT-FOUND/);
  expect(bad('{')).toThrow(/is not the configuration of a run: .*JSON/);
  expect(bad('null')).toThrow(/has no “config”/);
  expect(bad({ config: null })).toThrow(/config must be an object, got null/);
  expect(bad({ config: { ...config, model: { ...config.model, sizes: ['<b>'] } } })).toThrow(
    /config\.model\.sizes\.0 must be a number/,
  );
  expect(bad({ config: { ...config, secret: 1 } })).toThrow(/config\.secret/);
  expect(bad({ config: { ...config, data: { kind: 'url', url: 'x' } } })).toThrow(/config\.data/);
  expect(bad({ config: { ...config, optimizer: { name: 'bogus', hyper: {} } } })).toThrow(/RULE-UNKNOWN/);
  expect(bad({ config: { ...config, batchSize: -1 } })).toThrow(/--batch/);
  // What no flag can give is not lost without a word.
  expect(bad({ config: { ...config, optimizer: { name: 'adam', hyper: { lr: 1 } } } })).toThrow(
    /config\.optimizer says/,
  );
});

test('a run that is gone on with has its own configuration', () => {
  const args = ['--resume', 'runs/x', '--config', 'run.json'];
  expect(() => parseTrain(withConfigFile(args).args)).toThrow(/--config is for a new one/);
});
