/** What a page can tell of the machine it runs on. */
import type { Environment, Machine } from '../../harness/bench/contract.js';
import { PEERS } from '../../harness/bench/peers.js';
import { devDependencies } from '../../harness/peers/package.json';
import { version } from '../../package.json';
import { describeAdapter, requestDevice } from '../../src/index.js';

/** Chromium's successor of the user agent; not yet among TypeScript's types of the DOM. */
interface UserAgentData {
  readonly brands: readonly { readonly brand: string; readonly version: string }[];
  readonly platform: string;
}

const agentData = (): UserAgentData | undefined =>
  (navigator as Navigator & { userAgentData?: UserAgentData }).userAgentData;

/**
 * The browser by name. Of several brands the last real one is the most particular: 'Chromium' and 'Google Chrome'; the
 * one with punctuation in its name is there so that nobody relies on the list.
 */
function browser(): { name: string; version: string } {
  const brands = (agentData()?.brands ?? []).filter(({ brand }) => !/not.?a.?brand|[^\w\s.]/i.test(brand));
  const particular = brands.find(({ brand }) => brand !== 'Chromium') ?? brands[0];
  const agent = navigator.userAgent;
  const [, name, number] = /(Firefox|Edg|OPR|Chrome|Version)\/([\d.]+)/.exec(agent) ?? [];
  if (particular) {
    // The user agent has no more than zeros behind the major version either, since it was reduced.
    return { name: particular.brand, version: particular.version };
  }
  if (!name) return { name: 'unknown browser', version: '' };
  return { name: name === 'Version' ? 'Safari' : name, version: number! };
}

function system(): string {
  const [, inside] = /\(([^)]+)\)/.exec(navigator.userAgent) ?? [];
  return agentData()?.platform || inside || 'not told';
}

/** @throws DownhillError NO-WEBGPU, NO-ADAPTER where nothing can be measured. */
export async function lookAtMachine(): Promise<Machine> {
  const device = await requestDevice({ label: 'bench:adapter' });
  try {
    return {
      place: 'chrome', // a page's, whatever browser shows it
      adapter: describeAdapter(device),
      driver: null,
      browser: { ...browser(), flags: [] },
      userAgent: navigator.userAgent,
      cores: navigator.hardwareConcurrency,
      cpu: 'CPU not told by browsers',
      os: system(),
    };
  } finally {
    device.destroy();
  }
}

/** The versions that have a say in the times, as far as they were known when the page was built. */
export function versionsOf(peers: readonly string[]): Record<string, string> {
  const pinned: Readonly<Record<string, string>> = devDependencies;
  const known = peers.flatMap((name) => {
    const from = PEERS[name]!.package;
    return from && pinned[from] ? [[from, pinned[from]] as const] : [];
  });
  return { downhill: version, ...Object.fromEntries(known) };
}

/** @param lost Told when a device is gone that nobody destroyed. */
export function environmentOf(lost: (message: string) => void): Environment {
  return {
    place: 'chrome',
    gpu: navigator.gpu,
    async requestDevice(label) {
      const device = await requestDevice({ label });
      void device.lost.then(({ reason, message }) => {
        if (reason !== 'destroyed') lost(message);
      });
      return device;
    },
  };
}
