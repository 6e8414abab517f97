/** The doctor's report as text: a few aligned lines, then what is wrong and what to do. */
import type { AdapterReport } from '../../src/index.js';
import type { Driver } from '../../src/node/index.js';
import { type ErrorParts, type Io, painter } from '../common/io.js';
import { labelled } from '../common/table.js';
import type { SelfTestResult } from './self-test.js';

export interface BrowserReport {
  readonly name: string;
  readonly version: string;
  readonly path: string | null;
  /** The adapter a page gets; null when WebGPU does not work there. */
  readonly adapter: string | null;
}

export interface DoctorReport {
  readonly adapter: AdapterReport | null;
  readonly driver: Driver | null;
  /** Null when none is installed: only training in Chrome and the browser tests need one. */
  readonly browser: BrowserReport | null;
  readonly versions: Readonly<Record<string, string | null>>;
  readonly selfTest: readonly SelfTestResult[];
  /** What is not as it should be, with what to do. */
  readonly problems: readonly ErrorParts[];
}

/** Limits that decide how large a network, a batch or a data set can be, in the words of the report. */
const LIMITS = [
  ['maxBufferSize', 'largest buffer', bytes],
  ['maxStorageBufferBindingSize', 'largest binding', bytes],
  ['maxStorageBuffersPerShaderStage', 'storage buffers', String],
  ['maxComputeInvocationsPerWorkgroup', 'workgroup', (n: number) => `${n} invocations`],
  ['maxComputeWorkgroupStorageSize', 'workgroup memory', bytes],
  ['maxComputeWorkgroupsPerDimension', 'workgroups', (n: number) => `${n} per dimension`],
] as const;

function bytes(n: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = n;
  // 1000, not 1024: sizes like 2^30 - 4 read as 1 GiB.
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(1))} ${units[unit]}`;
}

export function printReport(report: DoctorReport, io: Io): void {
  const paint = painter(io.stdout);
  const line = (label: string, text: string) =>
    io.stdout.write(`${labelled(label.padEnd(10), text, { paint }).join('\n')}\n`);
  const { adapter, driver, browser, versions, selfTest, problems } = report;

  io.stdout.write('\n');
  line('adapter', adapter?.name ?? paint('red', 'none'));
  if (driver) line('driver', driver.manifest ? `${driver.kind} (${driver.manifest})` : driver.kind);
  if (adapter) {
    const optional = adapter.features.filter((name) => name !== 'core-features-and-limits');
    line('features', optional.join(', ') || 'none of the optional ones');
    LIMITS.forEach(([key, words, format], i) => {
      line(i === 0 ? 'limits' : '', `${words.padEnd(17)} ${format(adapter.limits[key])}`);
    });
  }
  line('browser', browser ? `${browser.name} ${browser.version}${browser.path ? ` (${browser.path})` : ''}` : 'none');
  if (browser) line('', `WebGPU there: ${browser.adapter ?? paint('red', 'none')}`);
  const known = Object.entries(versions).map(([name, version]) => `${name} ${version ?? 'missing'}`);
  line('versions', known.join(', '));

  if (selfTest.length > 0) {
    const passed = selfTest.filter(({ ok }) => ok).length;
    const verdict = `${passed} of ${selfTest.length} passed`;
    line('self-test', paint(passed === selfTest.length ? 'green' : 'red', verdict));
    for (const { name, ok, detail } of selfTest) if (!ok) line('', `${paint('red', 'failed')} ${name}: ${detail}`);
  }
  io.stdout.write('\n');
  for (const { code, message, fix } of problems) {
    io.stdout.write(`  ${paint('red', code)} ${message}\n  ${' '.repeat(code.length)} ${fix}\n`);
  }
  if (problems.length > 0) return void io.stdout.write('\n');
  if (adapter?.cpu) {
    io.stdout.write("  Everything works. This is a CPU adapter: its speed says nothing about a GPU's.\n");
    if (driver?.kind === 'swiftshader' && process.platform === 'linux') {
      io.stdout.write('  lavapipe trains several times faster: npx downhill doctor --install-lavapipe\n');
    }
  } else {
    io.stdout.write('  Everything works.\n');
  }
  io.stdout.write('\n');
}
