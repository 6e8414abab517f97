/** The form: what is to be measured. */
import type { BenchConfig } from '../../harness/bench/contract.js';
import { PEERS } from '../../harness/bench/peers.js';
import { type Item, planOf } from '../../harness/bench/plan.js';
import { SCENARIOS } from '../../harness/bench/scenarios/index.js';
import { duration, plural } from '../../harness/common/format.js';
import type { PeerModule } from '../../harness/peers/names.js';
import { byId, make, setText } from '../shell/dom.js';

/** What the harness makes of itself is for those who doubt it. */
const UNASKED = 'resolution';

export class Choice {
  /** Peers whose library is not beside this page. */
  readonly #missing = new Set<string>();

  /** @param changed Called after every change. */
  constructor(private readonly changed: () => void) {
    byId('scenarios').append(
      ...Object.values(SCENARIOS).flatMap(({ name, help }) => pick('scenario', name, name, help, name !== UNASKED)),
    );
    byId('peers').append(
      ...Object.values(PEERS).flatMap(({ name, title }) => pick('peer', name, title, '', true, make('code', {}, name))),
    );
    const form = byId('settings');
    form.addEventListener('input', () => this.#refresh());
    form.addEventListener('submit', (event) => event.preventDefault());
    this.#showTimes();
  }

  get config(): BenchConfig {
    return this.#configOf(byId('extent').querySelector<HTMLInputElement>('input:checked')!.value === 'quick');
  }

  get items(): Item[] {
    return planOf(this.config, ['chrome']);
  }

  set disabled(on: boolean) {
    byId<HTMLFieldSetElement>('settings-fields').disabled = on;
  }

  /** Looks which libraries were built and lie beside the page. */
  async lookForPeers(): Promise<void> {
    const entries = Object.values(PEERS);
    const modules = [...new Set(entries.map(({ module }) => module))].filter((module) => module !== 'js');
    const there = await Promise.all(modules.map(isThere));
    const lacking = new Set<PeerModule>(modules.filter((_, i) => !there[i]));
    const missing = entries.filter(({ module }) => lacking.has(module));
    for (const { name } of missing) this.#lack(name, 'not there');
    setText(byId('peers-note'), missing.length > 0 ? NOT_BUILT : '');
    this.#refresh();
  }

  #lack(name: string, why: string): void {
    this.#missing.add(name);
    const box = boxOf('peer', name);
    box.checked = false;
    box.disabled = true;
    const row = box.closest<HTMLElement>('.pick')!;
    row.classList.add('missing');
    if (!row.querySelector('small')) row.lastElementChild!.append(' ', make('small', {}, why));
  }

  #configOf(quick: boolean): BenchConfig {
    return { scenarios: chosen('scenario'), peers: chosen('peer'), quick, seed: 0, slow: 0, sessions: 1 };
  }

  #refresh(): void {
    this.#showTimes();
    this.changed();
  }

  #showTimes(): void {
    for (const quick of [true, false]) {
      setText(byId(quick ? 'quick-time' : 'full-time'), extentText(planOf(this.#configOf(quick), ['chrome'])));
    }
  }
}

const NOT_BUILT =
  'What is not there was not built: run node harness/setup/setup.mjs --peers, then npx downhill bench --page.';

/** '14 cases, about 2 min 10 s'. */
export function extentText(items: readonly Item[]): string {
  if (items.length === 0) return '';
  const seconds = items.reduce((sum, item) => sum + item.seconds, 0);
  return `${plural(items.length, 'case')}, about ${duration(seconds)}`;
}

function pick(
  kind: string,
  name: string,
  title: string,
  help: string,
  checked: boolean,
  ...more: readonly Node[]
): HTMLElement[] {
  const id = `${kind}-${name}`;
  const box = make('input', { type: 'checkbox', id, name: kind, value: name, checked });
  const row = make('label', { className: 'pick' }, box, make('span', {}, title, ' ', ...more));
  if (help === '') return [row];
  box.setAttribute('aria-describedby', `${id}-help`);
  return [row, make('p', { className: 'hint', id: `${id}-help` }, help)];
}

const boxOf = (kind: string, name: string) => byId<HTMLInputElement>(`${kind}-${name}`);

const chosen = (kind: string): string[] =>
  [...document.querySelectorAll<HTMLInputElement>(`input[name="${kind}"]:checked`)].map(({ value }) => value);

/** By its type, too: a server of single-page apps answers a page of HTML for whatever is not there. */
async function isThere(module: PeerModule): Promise<boolean> {
  try {
    const answer = await fetch(new URL(`peers/${module}.js`, location.href), { method: 'HEAD' });
    return answer.ok && /javascript/.test(answer.headers.get('content-type') ?? '');
  } catch {
    return false;
  }
}
