/** Runs what a plan lists, part after part, whatever becomes of single ones, and keeps the results for the report. */
import { DownhillError } from '../../src/index.js';
import { type ErrorParts, errorParts } from '../common/io.js';
import { commitOf, versionOf } from '../common/versions.js';
import manifest from '../peers/package.json' with { type: 'json' };
import { bytes } from './bytes.js';
import type { BenchConfig, CaseResult, ContenderResult, Machine, Place, Report } from './contract.js';
import { ChromeHost } from './hosts/chrome.js';
import { Died, type Host } from './hosts/host.js';
import { NodeHost } from './hosts/node.js';
import { type Progress, slowNote } from './measure.js';
import { PEERS } from './peers.js';
import type { Item } from './plan.js';
import { startup } from './startup.js';
import { median } from './statistics.js';

export type Hosts = Readonly<Partial<Record<Place, Host>>>;

export const openHosts = (places: readonly Place[], connect: string | undefined): Hosts => ({
  ...(places.includes('node') && { node: new NodeHost() }),
  ...(places.includes('chrome') && { chrome: new ChromeHost(connect) }),
});

export class Run {
  readonly #started = new Date();
  readonly #start = performance.now();
  readonly #machines: Machine[] = [];
  readonly #cases: CaseResult[] = [];

  constructor(
    readonly config: BenchConfig,
    private readonly hosts: Hosts,
  ) {}

  /**
   * Looks at the places, before anything is measured.
   *
   * @throws DownhillError NO-ADAPTER, NO-BROWSER and the like where a place cannot run anything.
   */
  async look(): Promise<readonly Machine[]> {
    for (const host of Object.values(this.hosts)) {
      try {
        this.#machines.push(await host.machine());
      } catch (error) {
        if (!(error instanceof Died)) throw error;
        throw new DownhillError(
          host.place === 'node' ? 'NO-ADAPTER' : 'BROWSER-LOST',
          `Asking for an adapter in ${host.place} failed: ${error.how}.`,
          'See what `npx downhill doctor` says.',
          error,
        );
      }
    }
    return this.#machines;
  }

  /** Measures one part. What goes wrong in it is in its result; one that is over because of `stopping` leaves none. */
  async part(item: Item, progress: Progress, stopping = () => false): Promise<readonly CaseResult[]> {
    const host = this.hosts[item.place]!;
    const results = await this.#measure(item, host, progress, stopping);
    if (stopping()) return []; // cut short: half a case is none
    this.#cases.push(...results);
    return results;
  }

  report(): Report {
    return {
      format: 'downhill-bench',
      version: 1,
      started: this.#started.toISOString(),
      seconds: (performance.now() - this.#start) / 1000,
      commit: commitOf(),
      config: this.config,
      versions: versionsOf(this.config),
      machines: this.#machines,
      cases: this.#cases,
    };
  }

  async #measure(item: Item, host: Host, progress: Progress, stopping: () => boolean): Promise<readonly CaseResult[]> {
    if (item.scenario === 'bytes') return [await bytes(item.place, progress)];
    if (item.scenario === 'startup') return startup(host, this.config, progress, stopping);
    return [await this.#case(item, host, progress, stopping)];
  }

  /** A case; once more without a contender that takes the process or the browser down. */
  async #case({ spec, place }: Item, host: Host, progress: Progress, stopping: () => boolean): Promise<CaseResult> {
    const start = performance.now();
    const lost: ContenderResult[] = [];
    let { config } = this;
    for (;;) {
      const results: CaseResult[] = [];
      try {
        for (let i = 0; i < config.sessions; i++) {
          results.push(
            await host.run(spec!, config, (share, name) => progress((i + share) / config.sessions, name), i),
          );
        }
        const contenders = [...joined(results), ...lost];
        return { ...results[0]!, contenders, seconds: (performance.now() - start) / 1000 };
      } catch (error) {
        const culprit = error instanceof Died ? error.contender?.replace(/ every \d+$/, '') : undefined;
        if (error instanceof Died && culprit && config.peers.includes(culprit) && !stopping()) {
          lost.push({ name: culprit, outcome: 'failed', note: `${error.how} at its turn`, iterations: 0, samples: [] });
          config = { ...config, peers: config.peers.filter((name) => name !== culprit) };
          continue;
        }
        return {
          spec: spec!,
          place,
          work: results[0]?.work ?? { unit: 'iteration' },
          baseline: 'downhill',
          contenders: [...joined(results), ...lost], // of the sessions before
          seconds: (performance.now() - start) / 1000,
          error: partsOf(error),
        };
      }
    }
  }
}

/** The contenders of several sessions of a case: all samples, one after another. Who fails in one has failed. */
function joined(sessions: readonly CaseResult[]): ContenderResult[] {
  return (sessions[0]?.contenders ?? []).map((first, i) => {
    const all = sessions.map(({ contenders }) => contenders[i]!);
    const failed = all.find(({ outcome }) => outcome !== 'measured');
    if (failed) return failed;
    const middle = (of: 'gpuMs' | 'hostMs') => median(all.map((each) => each[of] ?? null));
    const samples = all.flatMap((each) => each.samples);
    const rounds = samples.filter((sample) => sample !== null).length;
    return {
      ...all.at(-1)!,
      samples,
      ...(rounds < samples.length && { note: slowNote(rounds) }),
      ...(first.gpuMs !== undefined && { gpuMs: middle('gpuMs') }),
      ...(first.hostMs !== undefined && { hostMs: middle('hostMs') }),
    };
  });
}

function partsOf(error: unknown): ErrorParts {
  if (error instanceof DownhillError) return errorParts(error);
  if (error instanceof Died) {
    const whose = error.contender ? ` while ${error.contender} was at work` : '';
    return {
      code: 'BROWSER-LOST',
      message: `${error.how[0]!.toUpperCase()}${error.how.slice(1)}${whose}.`,
      fix: 'The other cases went on. Run this scenario alone to see whether it happens again.',
    };
  }
  return { code: 'INTERNAL', message: (error as Error).message, fix: 'Report this with the message.' };
}

/** Of everything that has a say in the times. */
export function versionsOf({ peers }: BenchConfig): Record<string, string> {
  const packages = ['downhill', 'webgpu', 'playwright-core'].map((name) => [name, versionOf(name)] as const);
  // Pinned there, and built into dist/peers, which has no packages.
  const pinned: Readonly<Record<string, string>> = manifest.devDependencies;
  const others = peers.flatMap((name) => {
    const { package: from } = PEERS[name]!;
    return from ? [[from, pinned[from]] as const] : [];
  });
  const known = [['node', process.versions.node] as const, ...packages, ...others];
  return Object.fromEntries(known.flatMap(([name, version]) => (version ? [[name, version]] : [])));
}
