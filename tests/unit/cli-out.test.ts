import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { devNull } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { main } from '../../harness/cli.js';
import { lockFolder } from '../../harness/common/lock.js';
import { OutFolder, outFile } from '../../harness/common/out-folder.js';
import { writeAllWhole, writeWhole } from '../../harness/common/whole-file.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { RunFolder } from '../../harness/train/run-folder.js';
import { DownhillError } from '../../src/index.js';
import { appendLines } from '../../src/node/lines.js';
import { fakeIo, scratch } from '../support/cli.js';
import { buildProgram } from '../support/program.js';

/* What commands leave, and what they never take away. */

vi.mock('../../harness/common/quiet.js', () => ({
  findGpu: async () => {
    throw new DownhillError('NO-ADAPTER', 'There is no adapter.', 'Install one.');
  },
}));

const folder = scratch();
afterAll(folder.remove);
const TRIAL = {
  format: 'downhill-trial/1',
  trial: 0,
  train: { samples: '60', batch: '8' },
  params: {},
  seeds: [0],
  metric: 'loss',
};
writeFileSync(folder.path('trial.json'), JSON.stringify(TRIAL));

const run = async (...args: string[]) => {
  const io = fakeIo();
  return { code: await main(args, io), err: io.err() };
};

/** Commands that leave a folder, with one of their files. Those of a sweep need no adapter to begin. */
const SPACE = 'lr=0.1|0.2';
const SMALL = ['--samples', '60', '--batch', '8'];
const COMMANDS: readonly (readonly [words: string, file: string, args: readonly string[]])[] = [
  ['train', 'loss.svg', SMALL],
  ['search', 'best.json', ['--space', SPACE, '--trials', '2', '--steps', '4', ...SMALL]],
  ['range', 'range.svg', SMALL],
  ['loss-plane', 'random.json', [...SMALL, '--steps', '4']],
  ['inspect', 'activations.json', SMALL],
  ['compare', 'comparison.png', ['ravine', '--quick']],
  ['trial', 'metrics.jsonl', [folder.path('trial.json')]],
  ['bench', 'report.md', ['resolution', '--quick']],
  ['sweep', 'sweep.json', ['add', SPACE, '--trials', '2', '--method', 'random', '--steps', '4', ...SMALL]],
];

describe.each(COMMANDS)('%s', (command, file, args) => {
  it('is refused a folder that another process writes, and leaves it as it was', async () => {
    const path = folder.path(`${command}-locked`);
    mkdirSync(path);
    const unlock = lockFolder(path, path);
    const before = readdirSync(path);
    const { code, err } = await run(command, ...args, '--out', path);
    expect(err).toMatch(/in use by another run[\s\S]*OUTPUT-UNWRITABLE/);
    expect(code).toBe(1);
    expect(readdirSync(path)).toEqual(before);
    unlock();
  });

  it("is refused over the user's own file", async () => {
    const path = folder.path(`${command}-own`);
    mkdirSync(path);
    writeFileSync(join(path, file), 'precious');
    const { code, err } = await run(command, ...args, '--out', path);
    expect(err).toContain(`has ${file} in it already`);
    expect(code).toBe(1);
    expect(readdirSync(path)).toEqual([file]);
    expect(readFileSync(join(path, file), 'utf8')).toBe('precious');
  });

  if (!['bench', 'sweep'].includes(command))
    it('leaves no folder where it ends before there is anything', async () => {
      const { code, err } = await run(command, ...args, '--out', folder.path(`${command}-new`, 'deep'));
      expect(err).toContain('NO-ADAPTER');
      expect(code).toBe(1);
      expect(existsSync(folder.path(`${command}-new`))).toBe(false);
    });
});

it.each([
  ['--steps', '2147483648', /--steps makes 2,147,483,648 steps.*\n.*at most 2147483647/],
  ['--epochs', '500000000', /--epochs makes [23],\d{3},000,000 steps.*\n.*at most (357913941|429496729)/],
])('%s %s are more than a run can have: no folder, and a run that is there stays', async (flag, value, text) => {
  const path = folder.path(`long${flag}`);
  for (const args of [['train'], ['train', '--in', 'chrome'], ['loss-plane'], ['search', '--space', SPACE]]) {
    const { code, err } = await run(...args, '--samples', '60', '--batch', '8', flag, value, '--out', path);
    expect(err).toMatch(text);
    expect(code).toBe(2);
    expect(existsSync(path)).toBe(false);
  }
});

describe('the folder of a training', () => {
  const { config } = parseTrain([]) as TrainCommand;
  const plan = { type: 'plan', plan: { label: 'train' }, data: {}, steps: 3 } as never;
  const begin = (path: string, more: object, mode: 'new' | 'force') => {
    const made = new RunFolder(path, { ...config, ...more }, mode);
    made.event({ type: 'adapter', adapter: { name: 'an adapter' } as never });
    made.event(plan);
    made.abandon();
  };
  const own = (path: string) => readFileSync(join(path, 'trace.json'), 'utf8');

  it("leaves the user's own trace.json alone where it writes none, with --force too", () => {
    const path = folder.path('trace');
    mkdirSync(path);
    writeFileSync(join(path, 'trace.json'), 'precious');
    expect(() => begin(path, { profile: true }, 'new')).toThrow(/has trace\.json in it already/);
    writeFileSync(join(path, 'config.json'), '{"mine":1}');
    begin(path, {}, 'force');
    expect(own(path)).toBe('precious');
    // Beside a run it is taken for that run's.
    begin(path, {}, 'force');
    expect(existsSync(join(path, 'trace.json'))).toBe(false);
  });

  it('loses its own checkpoints to --force, and none of another training', () => {
    const path = folder.path('force');
    const checkpoints = (...names: string[]) => {
      mkdirSync(join(path, 'checkpoints'), { recursive: true });
      for (const name of names) writeFileSync(join(path, 'checkpoints', name), 'precious');
    };
    checkpoints('step-000020.safetensors', '.step-000030.safetensors.0123abcd-4567.tmp', '.downhill-lock');
    expect(() => begin(path, {}, 'new')).toThrow(/has checkpoints in it already/);
    begin(path, {}, 'force');
    expect(existsSync(join(path, 'checkpoints'))).toBe(false);
    checkpoints('step-000020.safetensors', 'epoch-3.pt');
    begin(path, {}, 'force');
    expect(readdirSync(join(path, 'checkpoints'))).toEqual(['epoch-3.pt']);
  });

  it('may have files that no training writes', () => {
    const path = folder.path('notes');
    mkdirSync(path);
    for (const name of ['notes.txt', 'trace.json']) writeFileSync(join(path, name), 'precious');
    begin(path, {}, 'new');
    expect(own(path)).toBe('precious');
    expect(readdirSync(path).sort()).toEqual(['config.json', 'loss.svg', 'metrics.jsonl', 'notes.txt', 'trace.json']);
  });
});

describe('a folder', () => {
  const options = { what: 'a test', files: ['a.svg', 'a.json'] };

  it('gets all files or none, and has nothing of a process that was killed', () => {
    const path = folder.path('pair');
    mkdirSync(path);
    const left = '.a.svg.01234567-89ab-cdef-0123-456789abcdef.tmp';
    for (const name of [left, '.mine.tmp']) writeFileSync(join(path, name), 'half');
    const out = new OutFolder(path, options);
    out.write({ 'a.svg': 'old', 'a.json': 'old' });
    const missing = { 'a.svg': 'new', 'no/a.json': 'new' };
    expect(() => out.write(missing)).toThrow(/cannot be written: it is no longer there.*OUTPUT-UNWRITABLE/);
    out.close();
    expect(readFileSync(join(path, 'a.svg'), 'utf8')).toBe('old');
    expect(readdirSync(path).sort()).toEqual(['.mine.tmp', 'a.json', 'a.svg']);
  });

  it('that had to be made goes again at the end of the process, where nothing is in it', () => {
    const [path, kept] = [folder.path('early', 'deep'), folder.path('early-2')];
    const outs = [new OutFolder(path, options), new OutFolder(kept, options)];
    outs[1]!.write({ 'a.svg': '' });
    for (const { close } of outs) {
      expect(process.listeners('exit')).toContain(close);
      close();
      expect(process.listeners('exit')).not.toContain(close);
    }
    expect(existsSync(folder.path('early'))).toBe(false);
    expect(readdirSync(kept)).toEqual(['a.svg']);
  });

  it('is made once more where it went in between', () => {
    const path = folder.path('went');
    const first = new OutFolder(path, options);
    const second = vi.spyOn(process, 'on').mockImplementationOnce(function (this: NodeJS.Process) {
      first.close();
      return this;
    } as never);
    try {
      const out = new OutFolder(path, { ...options, what: 'another' });
      expect(readdirSync(path)).toEqual(['.downhill-lock']);
      out.close();
    } finally {
      second.mockRestore();
    }
  });
});

describe('a file', () => {
  it('is looked at before the work, and written whole, over what is there only when told to', () => {
    const path = folder.path('made', 'plan.json');
    outFile(path, false)('one');
    expect(() => outFile(path, false)).toThrow(/There is a .*plan\.json already.*OUTPUT-UNWRITABLE/);
    outFile(path, true)('two');
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(readdirSync(folder.path('made'))).toEqual(['plan.json']);
    expect(() => outFile(join(path, 'below.json'), false)).toThrow(/part of the path is a file.*OUTPUT-UNWRITABLE/);
  });

  it('is written where a link leads, and never in place of a device or a folder', () => {
    writeFileSync(folder.path('target'), 'old');
    symlinkSync(folder.path('target'), folder.path('link'));
    outFile(folder.path('link'), true)('new');
    expect(readFileSync(folder.path('target'), 'utf8')).toBe('new');
    expect(lstatSync(folder.path('link')).isSymbolicLink()).toBe(true);
    symlinkSync(folder.path('nowhere'), folder.path('dangling'));
    const options = { what: 'a run', files: ['dangling'] };
    expect(() => new OutFolder(folder.path(), options)).toThrow(/has dangling in it already.*OUTPUT-UNWRITABLE/);
    for (const force of [false, true])
      expect(() => outFile(folder.path('dangling'), force)).toThrow(/is a link to nothing.*OUTPUT-UNWRITABLE/);
    const pipe = folder.path('pipe');
    spawnSync('mkfifo', [pipe]);
    for (const path of [devNull, folder.path(), pipe])
      expect(() => outFile(path, true)).toThrow(/is no file.*OUTPUT-UNWRITABLE/);
    for (const path of [devNull, pipe]) expect(() => appendLines(path, 'x\n')).toThrow(/ENXIO|not a file/);
  });

  it.each([
    ['tune', []],
    ['landscape', ['rosenbrock', '--in', 'cpu', '--steps', '3']],
  ])('of %s is not written over', async (command, args) => {
    const path = folder.path(`${command}.svg`);
    writeFileSync(path, 'precious');
    expect(await run(command, ...args, '--out', path)).toMatchObject({
      code: 1,
      err: expect.stringContaining('--force'),
    });
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  it('has its name only when it is whole', () => {
    writeWhole(folder.path('whole'), 'old');
    const files = [
      [folder.path('whole'), 'new'],
      [folder.path('no', 'where'), 'new'],
    ] as const;
    expect(() => writeAllWhole(files)).toThrow('ENOENT');
    expect(readFileSync(folder.path('whole'), 'utf8')).toBe('old');
    expect(readdirSync(folder.path()).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

/** Runs the writer where a file may have 8 KiB, as on a disk that is full: of more a part is taken, then nothing. */
const writer = (args: string) =>
  spawnSync('bash', ['-c', `ulimit -f 8; exec "${process.execPath}" "${program}" ${args}`], { encoding: 'utf8' });
let program: string;

describe.skipIf(process.platform === 'win32')('on a full disk', () => {
  beforeAll(async () => {
    program = await buildProgram('out-writer', folder.path('program'));
  });

  it('lines are whole, and files are all there or as they were', () => {
    mkdirSync(folder.path('full'));
    const { stdout, stderr } = writer(`"${folder.path('full')}"`);
    expect(stderr).toBe('');
    const { pictures, files, small, ends } = JSON.parse(stdout);
    expect({ pictures, files, small }).toEqual({ pictures: true, files: ['lines.jsonl', 'small.json'], small: 'old' });
    expect(ends).toEqual({ written: 3, lines: 9, whole: true });
  });

  it.each([
    ['a device', '/dev/full', 'the disk is full'],
    ['a file that takes a part', folder.path('stdout'), 'file too large'],
  ])('what cannot be said is an error: %s', (_, to, why) => {
    const { status, stderr } = writer(`say > "${to}"`);
    expect(stderr).toMatch(/error +What is said here cannot be written/);
    expect(stderr).toContain(why);
    expect(stderr.match(/OUTPUT-UNWRITABLE/g)).toHaveLength(1);
    expect(status).toBe(1);
  });

  it('what can be said is none', () => {
    const { status, stderr, stdout } = writer('say');
    expect({ status, stderr, length: stdout.length }).toEqual({ status: 0, stderr: '', length: 9000 });
  });
});
