/** How a run goes, as the page shows it. Sparingly: whatever is drawn is taken from what is being measured. */
import type { Machine, Report } from '../../harness/bench/contract.js';
import { PEERS } from '../../harness/bench/peers.js';
import { type Item, TimeLeft } from '../../harness/bench/plan.js';
import { METHOD, machineFacts } from '../../harness/bench/report/summary.js';
import { duration, plural } from '../../harness/common/format.js';
import { byId, make, setText } from '../shell/dom.js';
import { versionsOf } from './machine.js';
import type { Phase } from './run.js';

const REDRAW_MS = 250;
/** A screen reader is told this often how far it is, and a change of state at once. */
const ANNOUNCE_MS = 20_000;

/** What is over, what is left. */
export class ProgressView {
  readonly #time: TimeLeft;
  #drawn = Number.NEGATIVE_INFINITY;
  #announced = performance.now();
  #index = -1;

  constructor(private readonly items: readonly Item[]) {
    this.#time = new TimeLeft(items);
  }

  update(index: number, share: number, contender: string): void {
    const now = performance.now();
    if (index === this.#index && now - this.#drawn < REDRAW_MS) return;
    this.#drawn = now;
    this.#index = index;
    const { scenario, title } = this.items[index]!;
    const done = this.#time.share(index, share);
    const left = leftText(this.#time.left(index, share));
    const far = `${index + 1} / ${this.items.length}`;
    byId<HTMLProgressElement>('progress').value = done;
    setText(byId('case'), far);
    setText(byId('left'), left);
    setText(byId('contender'), contender);
    setText(byId('now'), `${scenario}: ${title}`);
    document.title = `${Math.floor(100 * done)} % · downhill benchmarks`;
    if (now - this.#announced < ANNOUNCE_MS) return;
    this.#announced = now;
    setText(byId('announcement'), `Case ${index + 1} of ${this.items.length}, ${left} left`);
  }
}

/** No tenths, which would count down for their own sake. */
const leftText = (seconds: number): string => (seconds < 9.5 ? `${Math.ceil(seconds)} s` : duration(seconds));

/** The dot beside the status, by the names its style sheet has. */
const DOTS: Record<Phase, string> = {
  running: 'running',
  hidden: 'paused',
  stopping: 'running',
  done: 'done',
  stopped: 'done',
  stuck: 'failed',
};

const ASIDE = 'Contenders take turns, round by round. A time counts when its result was checked and found right.';
const REPORT = 'The report holds every sample. downhill bench --compare reads it.';

/** @param report Of what was measured so far. */
export function showPhase(phase: Phase, { cases: { length: cases }, seconds }: Report): void {
  const texts: Record<Phase, string> = {
    running: 'Measuring. Leave this tab in sight: hidden ones are slowed down',
    hidden: 'Waiting: this tab was hidden. Its case starts again when it is seen',
    stopping: 'Stopping after this sample …',
    done: `Finished: ${plural(cases, 'case')} in ${duration(seconds)}`,
    stopped: `Stopped: ${plural(cases, 'case')} measured`,
    stuck: `Ended early: a case hung. ${plural(cases, 'case')} kept`,
  };
  const status = byId('status');
  status.dataset.phase = DOTS[phase];
  setText(status, texts[phase]);
  setText(byId('announcement'), texts[phase]);
  if (phase === 'hidden') document.title = 'Waiting · downhill benchmarks';
  if (phase === 'running' || phase === 'hidden' || phase === 'stopping') return;
  document.title = 'downhill: benchmarks';
  if (phase === 'done') byId<HTMLProgressElement>('progress').value = 1;
  for (const id of ['case', 'left', 'contender']) setText(byId(id), '–');
  setText(byId('now'), cases > 0 ? REPORT : ASIDE);
}

export function showReady(text: string): void {
  const status = byId('status');
  status.dataset.phase = 'idle';
  setText(status, text);
  setText(byId('now'), ASIDE);
}

export function showMachine(machine: Machine): void {
  const versions = Object.entries(versionsOf(Object.keys(PEERS))).map(([name, version]) => `${name} ${version}`);
  byId('machine').replaceChildren(...facts([...machineFacts(machine), ['versions', versions.join(', ')]]));
  const cpu = machine.adapter?.cpu ?? false;
  byId('machine-warning').hidden = !cpu;
  const text = ' WebGPU runs on the processor here: these times say nothing about a GPU.';
  byId('machine-warning').replaceChildren(...(cpu ? [make('strong', {}, 'CPU adapter.'), text] : []));
}

export function showMethod(): void {
  byId('method').replaceChildren(...METHOD.map((text) => make('li', {}, text)));
  byId('modes').replaceChildren(...facts(Object.values(PEERS).map(({ title, mode }) => [title, mode] as const)));
}

const facts = (pairs: readonly (readonly [string, string])[]): HTMLElement[] =>
  pairs.map(([label, text]) => make('div', {}, make('dt', {}, label), make('dd', {}, text)));
