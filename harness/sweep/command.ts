/** `downhill sweep`: a search whose trials are run by workers, here or elsewhere. */
import { fileURLToPath } from 'node:url';
import { count, duration, plural } from '../common/format.js';
import { interruptible, keeping } from '../common/interrupt.js';
import { type Io, painter } from '../common/io.js';
import { lockFolder } from '../common/lock.js';
import { Progress } from '../common/progress.js';
import { prepare } from '../search/command.js';
import { metricText } from '../search/lines.js';
import { writeJson } from '../train/reporter.js';
import { child } from './child.js';
import { Coordinator, type TaskResult } from './coordinator.js';
import { SweepFolder } from './folder.js';
import { type Place, parseSweep, type SweepCommand, sweepHelp, type WhereTo } from './options.js';
import { Pool, type PoolEvents } from './pool.js';
import { RedisSweep } from './redis/sweep.js';
import { SweepWorker } from './redis/worker.js';
import { sayStatus, writeResults } from './report.js';
import { SWEEP_FORMAT, type SweepSpec } from './spec.js';

/** What of all commands starts the worker's child. */
function childCommand({ place, connect }: WhereTo): readonly [string, ...string[]] {
  // dist/cli/cli.js has no `main` of its own to run; the file beside it has.
  const entry = fileURLToPath(new URL('./downhill.js', import.meta.url));
  return [
    process.execPath,
    entry,
    'sweep',
    'child',
    '--in',
    place,
    ...(connect === undefined ? [] : ['--connect', connect]),
  ];
}

/** @returns the exit code @throws DownhillError for whatever is wrong */
export async function sweep(args: readonly string[], io: Io): Promise<number> {
  const command = parseSweep(args);
  if (command === 'help') {
    io.stdout.write(sweepHelp());
    return 0;
  }
  switch (command.action) {
    case 'child':
      return child(command.where, io);
    case 'add':
      return interruptible(io, keeping(io), (signal) => add(command, io, signal));
    case 'work':
      return interruptible(io, keeping(io), (signal) => work(command, io, signal));
    case 'cancel':
      return cancel(command, io);
    case 'status':
      return withSweep(command.place, async (coordinator, queue) => {
        const more: Record<string, string> = queue ? { queue: await queueText(queue) } : {};
        sayStatus(coordinator, io, command.json, more);
        return 0;
      });
    case 'results':
      return withSweep(command.place, async (coordinator) => {
        const { place } = command;
        const usual = 'folder' in place ? `${place.folder}/results` : `runs/${coordinator.spec.name}`;
        writeResults(coordinator, command.out ?? usual, io, command.json);
        return 0;
      });
  }
}

async function queueText({ queue }: RedisSweep): Promise<string> {
  const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'failed');
  return Object.entries(counts)
    .map(([state, n]) => `${n} ${state}`)
    .join(', ');
}

/** Opens a sweep to look at it. */
async function withSweep(
  place: Place,
  look: (coordinator: Coordinator, queue: RedisSweep | undefined) => Promise<number>,
): Promise<number> {
  if ('folder' in place) {
    const folder = new SweepFolder(place.folder);
    const coordinator = new Coordinator(folder.read());
    coordinator.add(folder.results());
    return look(coordinator, undefined);
  }
  const found = await RedisSweep.open(place.redis, place.name);
  try {
    return await look(found.coordinator, found);
  } finally {
    await found.close();
  }
}

type Of<A extends SweepCommand['action']> = Extract<SweepCommand, { readonly action: A }>;

async function add(command: Of<'add'>, io: Io, signal: AbortSignal): Promise<number> {
  const { search, name, place, pack, parallel, json } = command;
  // Reads the data, so that what no worker could train is refused here.
  const { steps } = await prepare(search, io, json, signal);
  const every = command.every ?? Math.max(1, Math.ceil(steps / 10));
  const spec: SweepSpec = { format: SWEEP_FORMAT, name, search, steps, pack, parallel, every };
  new Coordinator(spec); // a method that cannot be spread is refused
  const say = (next: string, jobs: number, warnings: readonly string[] = []) => {
    if (json) {
      writeJson(io, { type: 'added', name, jobs, warnings });
      return;
    }
    const paint = painter(io.stdout);
    const lines = [
      ...warnings.map((warning) => `  ${paint('yellow', 'warning')}  ${warning}`),
      `  ${paint('green', 'added')}  ${name}: ${plural(search.trials, 'trial')}, ${plural(jobs, 'job')} to begin with`,
      `  ${paint('cyan', 'next ')}  ${next}`,
    ];
    io.stdout.write(`\n${lines.join('\n')}\n\n`);
  };
  if ('folder' in place) {
    new SweepFolder(place.folder).create(spec);
    say(`npx downhill sweep work ${place.folder}`, new Coordinator(spec).packs.length);
    return 0;
  }
  const queued = await RedisSweep.add(place.redis, spec);
  try {
    const next = `npx downhill sweep work --redis URL --name ${name}, on every machine that is to help`;
    say(next, queued.coordinator.packs.length, queued.warnings);
  } finally {
    await queued.close();
  }
  return 0;
}

/** What is said while it works: a moving line, and a line for each result that is better than all before. */
class WorkProgress implements PoolEvents {
  readonly #progress: Progress | undefined;
  readonly #start = performance.now();
  #best: number | undefined;

  constructor(
    readonly coordinator: Coordinator,
    readonly io: Io,
    readonly json: boolean,
  ) {
    this.#progress = json ? undefined : new Progress(io.stderr, () => performance.now());
  }

  ready(worker: number, adapter: string): void {
    if (this.json) writeJson(this.io, { type: 'ready', worker, adapter });
    else if (worker === 0) this.#progress?.say(adapter);
  }

  progress(message: Parameters<NonNullable<PoolEvents['progress']>>[0]): void {
    if (this.json) writeJson(this.io, message);
    else this.#draw();
  }

  result({ trial, to, attempt, outcome }: TaskResult): void {
    if (this.json) writeJson(this.io, { type: 'result', trial, to, attempt, ...outcome });
    const { best } = this.coordinator;
    if (best && best.trial !== this.#best) {
      this.#best = best.trial;
      this.#progress?.say(`trial ${best.trial}  ${metricText(this.coordinator.spec.search.metric, best.value)}`);
    }
    this.#draw();
  }

  again(pack: { readonly pack: number }, reason: string): void {
    if (this.json) writeJson(this.io, { type: 'again', pack: pack.pack, reason });
    else this.#progress?.say(`job ${pack.pack} again: ${reason}`);
  }

  job(pack: number, state: 'begin' | 'end', pid: number | undefined): void {
    if (this.json) writeJson(this.io, { type: 'job', pack, state, pid, at: Date.now() });
  }

  #draw(): void {
    const asked = this.coordinator.packs.length;
    const done = asked - this.coordinator.pending().length;
    const seconds = (performance.now() - this.#start) / 1000;
    this.#progress?.draw([`${count(done)} of ${count(asked)} jobs`, duration(seconds)], done / Math.max(1, asked));
  }

  end(): void {
    this.#progress?.end();
  }
}

async function work(command: Of<'work'>, io: Io, signal: AbortSignal): Promise<number> {
  const { place, json } = command;
  if ('folder' in place) return workHere({ ...command, place }, io, signal);
  const queued = await RedisSweep.open(place.redis, place.name);
  const { coordinator } = queued;
  const events = new WorkProgress(coordinator, io, json);
  try {
    if (!json) for (const warning of queued.warnings) io.stderr.write(`  warning  ${warning}\n`);
    await queued.ask(); // what a worker had no time to ask for before it died
    const checkpoints = command.checkpoints ?? 'runs/checkpoints';
    const { lock } = command;
    const times = lock === undefined ? undefined : { lockDuration: lock, stalledInterval: lock };
    await new SweepWorker(queued, { command: childCommand(command.where), checkpoints, times, events }).run(signal);
  } finally {
    events.end();
    await queued.close();
  }
  if (signal.aborted) throw signal.reason;
  sayStatus(coordinator, io, json);
  return 0;
}

type WorkHere = Of<'work'> & { readonly place: { readonly folder: string } };

async function workHere({ place, workers, where, json }: WorkHere, io: Io, signal: AbortSignal): Promise<number> {
  const folder = new SweepFolder(place.folder);
  const coordinator = new Coordinator(folder.read());
  const release = lockFolder(folder.folder, place.folder);
  const events = new WorkProgress(coordinator, io, json);
  try {
    coordinator.add(folder.results(true));
    await new Pool(coordinator, folder, childCommand(where), workers, events).run(signal);
  } finally {
    events.end();
    release();
  }
  writeResults(coordinator, folder.path('results'), io, json);
  if (signal.aborted) throw signal.reason;
  return 0;
}

async function cancel({ place, trials, json }: Of<'cancel'>, io: Io): Promise<number> {
  const said = (gone: readonly number[] | 'all') => {
    if (json) writeJson(io, { type: 'cancelled', trials: gone });
    else {
      const what =
        gone === 'all' ? 'the sweep' : gone.length > 0 ? `trials ${gone.join(', ')}` : 'nothing: they are done';
      io.stdout.write(`  cancelled  ${what}\n`);
    }
    return 0;
  };
  if ('folder' in place) {
    const folder = new SweepFolder(place.folder);
    folder.read();
    folder.cancel({ all: trials.length === 0, trials });
    return said(trials.length === 0 ? 'all' : trials);
  }
  const queued = await RedisSweep.open(place.redis, place.name);
  try {
    if (trials.length > 0) return said(await queued.cancelTrials(trials));
    await queued.cancel();
    return said('all');
  } finally {
    await queued.close();
  }
}
